#include "tools/load/requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "model/feature_encoder.h"

namespace fmserve::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr char kSchema[] = R"(task: binary
label: click
fields:
  - {name: user}
  - {name: hour, value_type: integer}
  - {name: topics, kind: multi_valued, weighted: true}
  - {name: age, kind: numeric, transform: log}
  - {name: ad, side: item}
  - {name: image, kind: dense_vector, dimension: 2, side: item}
)";
constexpr char kRows[] =
    "click\tuser\thour\ttopics\tage\tad\timage\n"
    "0\tann\t07\tcars:2|news\t31\tad1\t0.5|-1\n"
    "1\t\t23\t\t\tad2\t1|2\n"
    "0\tbob\t\tnews:0.25\t0\tad1\t0.5|-1\n";

class RequestsTest : public ::testing::Test {
 protected:
  RequestsTest() {
    std::filesystem::create_directories(dir_);
    Write("schema.yaml", kSchema);
    Write("rows.tsv", kRows);
  }
  ~RequestsTest() override { std::filesystem::remove_all(dir_); }

  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(dir_ / name) << text;
  }
  absl::StatusOr<ClickLog> Read(size_t max_rows = 100) const {
    return ReadClickLog(dir_ / "schema.yaml", dir_ / "rows.tsv", max_rows);
  }

  const std::filesystem::path dir_ =
      std::filesystem::path(::testing::TempDir()) /
      ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

// What a server makes of a list of packed features.
model::FeatureList DecodePacked(const model::FeatureSchema& schema, model::Side side,
                                const fmserve::v1::PackedFeatures& packed, int first, int count) {
  model::FeatureList features;
  model::FeatureEncoder encoder(schema, &features);
  encoder.Begin(side);
  for (int i = first; i < first + count; ++i) {
    const float value = packed.values().empty() ? 1.0F : packed.values(i);
    const auto field = static_cast<unsigned char>(packed.fields()[static_cast<size_t>(i)]);
    EXPECT_TRUE(encoder.AddKey(field, packed.keys(i), value).ok());
  }
  EXPECT_TRUE(encoder.End().ok());
  return features;
}

model::FeatureList EncodeRow(const model::FeatureSchema& schema, model::Side side,
                             const Cells& row) {
  model::FeatureList features;
  const std::vector<std::string_view> cells(row.begin(), row.end());
  EXPECT_TRUE(model::FeatureEncoder(schema, &features).AddRow(side, cells).ok());
  return features;
}

void ExpectEqual(const model::FeatureList& a, const model::FeatureList& b) {
  EXPECT_EQ(a.keys, b.keys);
  EXPECT_EQ(a.xs, b.xs);
  EXPECT_EQ(a.fields, b.fields);
}

TEST_F(RequestsTest, ContextsAreTheRowsAndItemsTheirDistinctItemSides) {
  const auto log = Read();
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_EQ(log->contexts.size(), 3U);
  EXPECT_EQ(log->items.size(), 2U);  // ad1 was shown twice
  EXPECT_EQ(Read(1)->contexts.size(), 1U);
}

TEST_F(RequestsTest, PackedFeaturesDecodeToWhatTheTrainerMakesOfTheRow) {
  const auto log = Read();
  ASSERT_TRUE(log.ok()) << log.status();
  for (size_t row = 0; row < log->contexts.size(); ++row) {
    const RequestPlan plan{.context = row, .items = {0, 1}};
    const auto packed = BuildRequest(*log, plan, RequestForm::kPacked).packed();
    ASSERT_EQ(packed.candidate_lengths_size(), 2);
    const int context_length = static_cast<int>(packed.context_length());
    ExpectEqual(DecodePacked(log->schema, model::Side::kContext, packed, 0, context_length),
                EncodeRow(log->schema, model::Side::kContext, log->contexts[row]));
    ExpectEqual(DecodePacked(log->schema, model::Side::kItem, packed, context_length,
                             static_cast<int>(packed.candidate_lengths(0))),
                EncodeRow(log->schema, model::Side::kItem, log->items[0]));
  }
}

TEST_F(RequestsTest, FriendlyFeaturesCarryNamesAndRawValues) {
  const auto log = Read();
  ASSERT_TRUE(log.ok()) << log.status();
  const auto request = BuildRequest(*log, {.context = 0, .items = {0}}, RequestForm::kFeatures);
  const auto& context = request.features().context();
  ASSERT_EQ(context.size(), 4);
  EXPECT_EQ(context[0].field(), "user");
  EXPECT_THAT(context[0].strings(), ElementsAre("ann"));
  EXPECT_THAT(context[1].integers(), ElementsAre(7));
  EXPECT_THAT(context[2].strings(), ElementsAre("cars", "news"));
  EXPECT_THAT(context[2].weights(), ElementsAre(2.0F, 1.0F));
  EXPECT_THAT(context[3].numbers(), ElementsAre(31.0));
  EXPECT_EQ(request.features().candidates_size(), 1);
}

TEST_F(RequestsTest, MissingValuesAreNotSent) {
  const auto log = Read();
  ASSERT_TRUE(log.ok()) << log.status();
  const auto request = BuildRequest(*log, {.context = 1, .items = {}}, RequestForm::kFeatures);
  ASSERT_EQ(request.features().context_size(), 1);
  EXPECT_EQ(request.features().context(0).field(), "hour");
}

TEST_F(RequestsTest, ItemsAreNamedByTheValuesOfAFieldOfTheirSide) {
  auto log = Read();
  ASSERT_TRUE(log.ok()) << log.status();
  const auto id_field = FindIdField(log->schema, "ad");
  ASSERT_TRUE(id_field.ok()) << id_field.status();
  ASSERT_TRUE(KeepOneItemPerId(*id_field, &*log).ok());
  const RequestPlan plan{.context = 0, .items = {0, 1}};
  const auto request = BuildItemsRequest(*log, plan, RequestForm::kPacked, *id_field);
  EXPECT_THAT(request.items().strings(), UnorderedElementsAre("ad1", "ad2"));
  EXPECT_EQ(request.packed().candidate_lengths_size(), 0);
  const auto context_alone = BuildRequest(*log, {.context = 0, .items = {}}, RequestForm::kPacked);
  EXPECT_EQ(request.packed().SerializeAsString(), context_alone.packed().SerializeAsString());
}

TEST_F(RequestsTest, IdsAreIntegersWhereTheirFieldIs) {
  Write("schema.yaml", "task: binary\nfields:\n  - {name: ad, side: item, value_type: integer}\n");
  Write("rows.tsv", "ad\n18\n\n7\n18\n");
  auto log = Read();
  ASSERT_TRUE(log.ok()) << log.status();
  ASSERT_TRUE(KeepOneItemPerId(0, &*log).ok());
  const auto request =
      BuildItemsRequest(*log, {.context = 0, .items = {0, 1}}, RequestForm::kFeatures, 0);
  EXPECT_THAT(request.items().integers(), UnorderedElementsAre(7, 18));
}

TEST_F(RequestsTest, IdsComeFromACategoricalItemFieldThatHasValues) {
  auto log = Read();
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_EQ(FindIdField(log->schema, "add").status().code(), absl::StatusCode::kNotFound);
  for (const char* name : {"user", "image"}) {
    const absl::Status status = FindIdField(log->schema, name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(name));
  }
  for (Cells& item : log->items) item[4].clear();
  EXPECT_THAT(std::string(KeepOneItemPerId(4, &*log).message()), HasSubstr("no row has a value"));
}

TEST_F(RequestsTest, TheBestOfACatalogueAreAskedForWithTheContextAlone) {
  const auto log = Read();
  ASSERT_TRUE(log.ok()) << log.status();
  const auto packed = BuildTopKRequest(*log, 0, RequestForm::kPacked, 5);
  EXPECT_EQ(packed.k(), 5U);
  EXPECT_EQ(packed.packed().context_length(), 5U);
  EXPECT_EQ(packed.packed().keys_size(), 5);
  EXPECT_FALSE(packed.has_features());
  const auto friendly = BuildTopKRequest(*log, 0, RequestForm::kFeatures, 5);
  EXPECT_EQ(friendly.features().context_size(), 4);
  EXPECT_FALSE(friendly.has_packed());
}

TEST_F(RequestsTest, CandidatesOfOneRequestDifferWhileThereAreEnough) {
  const auto log = Read();
  ASSERT_TRUE(log.ok()) << log.status();
  for (size_t index = 0; index < 10; ++index) {
    const RequestPlan plan = PlanRequest(*log, index, 2);
    EXPECT_EQ(plan.context, index % 3);
    EXPECT_EQ(std::set<size_t>(plan.items.begin(), plan.items.end()).size(), 2U);
  }
  EXPECT_EQ(PlanRequest(*log, 0, 5).items.size(), 5U);
}

TEST_F(RequestsTest, ABadCellIsNamedByFileLineAndField) {
  Write("rows.tsv", "click\tuser\thour\ttopics\tage\tad\timage\n0\tann\tseven\t\t\tad1\t1|2\n");
  const auto log = Read();
  EXPECT_EQ(log.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(log.status().message()),
              AllOf(HasSubstr("rows.tsv:2"), HasSubstr("hour")));
}

TEST_F(RequestsTest, ALogWithoutRowsIsAnError) {
  Write("rows.tsv", "click\tuser\thour\ttopics\tage\tad\timage\n");
  EXPECT_THAT(std::string(Read().status().message()), HasSubstr("no rows"));
}

}  // namespace
}  // namespace fmserve::tools
