#include "tools/join/joiner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "fmserve/v1/log.pb.h"
#include "model/feature_schema.h"
#include "server/log_file.h"
#include "tools/load/requests.h"
#include "trainer/schema_yaml.h"

namespace fmserve::tools {
namespace {

using ::testing::HasSubstr;

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
constexpr char kHeader[] = "click\tuser\thour\ttopics\tage\tad\timage\n";
constexpr uint64_t kServedUs = 1'800'000'000'000'000;

class JoinerTest : public ::testing::Test {
 protected:
  JoinerTest() {
    std::filesystem::create_directories(dir_);
    Write("schema.yaml", kSchema);
    options_.schema = dir_ / "schema.yaml";
    options_.clicks = dir_ / "clicks.tsv";
    options_.out = dir_ / "out.tsv";
    options_.predictions = {dir_ / "a.fmlog.zst"};
    options_.complete_until = absl::InfiniteFuture();
    schema_ = trainer::ParseSchemaYaml(kSchema, "s")->features;
  }
  ~JoinerTest() override { std::filesystem::remove_all(dir_); }

  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(dir_ / name) << text;
  }
  std::string Read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(dir_ / name).rdbuf();
    return text.str();
  }

  // Served kServedUs + `second` s, all candidates scored.
  static v1::PredictionRecord Record(const std::string& id, v1::PredictRequest request,
                                     uint64_t second = 0) {
    v1::PredictionRecord record;
    record.set_time_unix_us(kServedUs + second * 1'000'000);
    v1::PredictResponse* response = record.mutable_predict_response();
    response->set_model("ctr");
    response->set_request_id(id);
    const int count = request.packed().candidate_lengths_size() +
                      request.features().candidates_size() + request.items().strings_size() +
                      request.items().integers_size();
    for (int i = 0; i < count; ++i) response->add_predictions(0.5F);
    response->set_scored_count(static_cast<uint32_t>(count));
    *record.mutable_predict_request() = std::move(request);
    return record;
  }

  void WriteLog(const std::vector<v1::PredictionRecord>& records,
                const std::string& name = "a.fmlog.zst") const {
    server::FrameEncoder encoder(server::LogCompression::kFast);
    for (const v1::PredictionRecord& record : records)
      ASSERT_TRUE(encoder.Add(record.SerializeAsString(), "").ok());
    const auto frame = encoder.End();
    ASSERT_TRUE(frame.ok());
    Write(name, std::string(frame->begin(), frame->end()));
  }

  JoinReport MustJoin() const {
    const auto report = Join(options_, [](uint64_t) {});
    EXPECT_TRUE(report.ok()) << report.status();
    return report.value_or(JoinReport{});
  }
  std::string ErrorOfJoin() const {
    const auto report = Join(options_, [](uint64_t) {});
    EXPECT_EQ(report.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_FALSE(std::filesystem::exists(options_.out));
    return std::string(report.status().message());
  }

  // The log that the rows were, as requests of one candidate each.
  std::vector<v1::PredictionRecord> RecordsOf(const std::string& rows, RequestForm form) const {
    Write("rows.tsv", kHeader + rows);
    const auto log = ReadClickLog(options_.schema, dir_ / "rows.tsv", 100);
    EXPECT_TRUE(log.ok()) << log.status();
    ClickLog unshuffled = *log;
    std::vector<v1::PredictionRecord> records;
    for (size_t i = 0; i < log->contexts.size(); ++i) {
      unshuffled.items = {log->contexts[i]};  // whole rows
      records.push_back(Record("r" + std::to_string(i),
                               BuildRequest(unshuffled, {.context = i, .items = {0}}, form)));
    }
    return records;
  }

  // `count` candidates ad0, ad1 … of user "ann".
  static v1::PredictRequest Candidates(int count) {
    v1::PredictRequest request;
    v1::Feature* user = request.mutable_features()->add_context();
    user->set_field("user");
    user->add_strings("ann");
    for (int i = 0; i < count; ++i) {
      v1::Feature* ad = request.mutable_features()->add_candidates()->add_features();
      ad->set_field("ad");
      ad->add_strings("ad" + std::to_string(i));
    }
    return request;
  }

  const std::filesystem::path dir_ =
      std::filesystem::path(::testing::TempDir()) /
      ::testing::UnitTest::GetInstance()->current_test_info()->name();
  JoinOptions options_;
  model::FeatureSchema schema_;
};

constexpr char kRows[] =
    "1\tann\t7\tcars:2|news\t31\tad1\t0.5|-1\n"
    "0\t\t23\t\t\tad2\t1|2\n"
    "0\tbob\t\tnews:0.25\t0.1\tad1\t0.5|-1\n"
    "1\tann\t-3\ta:b:1\t\t\t\n";

TEST_F(JoinerTest, FriendlyRequestsBecomeTheRowsThatTheyWere) {
  WriteLog(RecordsOf(kRows, RequestForm::kFeatures));
  Write("clicks.tsv", "position\trequest_id\n0\tr3\n0\tr0\n");
  const JoinReport report = MustJoin();
  EXPECT_EQ(Read("out.tsv"), std::string(kHeader) + kRows);
  EXPECT_EQ(report.rows, 4U);
  EXPECT_EQ(report.positives, 2U);
  EXPECT_EQ(report.unmatched_clicks, 0U);
}

TEST_F(JoinerTest, PackedRequestsBecomeTheRowsThatTheyWereWhereValuesAreNamed) {
  WriteLog(RecordsOf(kRows, RequestForm::kPacked));
  Write("clicks.tsv", "request_id\tposition\nr0\t0\nr3\t0\n");
  Write("values.tsv",
        "user\tann\nuser\tbob\nhour\t7\nhour\t23\nhour\t-3\ntopics\tcars\ntopics\tnews\n"
        "topics\ta:b\nad\tad1\nad\tad2\n");
  options_.values = {dir_ / "values.tsv"};
  EXPECT_EQ(MustJoin().unnamed_values, 0U);
  EXPECT_EQ(Read("out.tsv"), std::string(kHeader) + kRows);
}

TEST_F(JoinerTest, KeysWithoutAValueGetTheSameStandInEachTime) {
  WriteLog(RecordsOf("1\tann\t7\t\t\tad1\t\n0\tann\t7\t\t\tad1\t\n", RequestForm::kPacked));
  Write("clicks.tsv", "request_id\tposition\n");
  Write("values.tsv", "ad\tad1\n");
  options_.values = {dir_ / "values.tsv"};
  EXPECT_EQ(MustJoin().unnamed_values, 4U);
  const std::string row = absl::StrCat(
      "0\tkey:", absl::Hex(model::ValueKey(schema_.seed(0), "ann"), absl::kZeroPad16), "\t",
      static_cast<int64_t>(model::ValueKey(schema_.seed(1), int64_t{7})), "\t\t\tad1\t\n");
  EXPECT_EQ(Read("out.tsv"), kHeader + row + row);
}

TEST_F(JoinerTest, AClickCountsWithinItsWindow) {
  WriteLog({Record("r", Candidates(6))});
  Write("clicks.tsv",
        "request_id\tposition\ttime\n"
        "r\t0\t1800000000\n"            // at once
        "r\t1\t1799999999.5\n"          // the fraction was cut off
        "r\t2\t1799999998.5\n"          // before
        "r\t3\t2027-01-15T08:30:00Z\n"  // at the end of the window
        "r\t4\t1800001800.001\n"        // after it
        "r\t4\t1800001900\n");
  const JoinReport report = MustJoin();
  EXPECT_EQ(report.positives, 3U) << Read("out.tsv");
  EXPECT_EQ(report.clicks_outside_window, 3U);
  EXPECT_EQ(report.unmatched_clicks, 0U);
  EXPECT_THAT(Read("out.tsv"), HasSubstr("1\tann\t\t\t\tad3\t\n0\tann\t\t\t\tad4\t\n"));
}

TEST_F(JoinerTest, RecordsWhoseWindowsAreNotOverAreLeftOut) {
  WriteLog({Record("r0", Candidates(1)), Record("r1", Candidates(1), 60)});
  Write("clicks.tsv", "request_id\tposition\nr1\t0\n");
  options_.window = absl::Minutes(30);
  options_.complete_until = absl::FromUnixMicros(kServedUs) + absl::Minutes(30);
  const JoinReport report = MustJoin();
  EXPECT_EQ(report.rows, 1U);
  EXPECT_EQ(report.positives, 0U);
  EXPECT_EQ(report.open_records, 1U);
}

TEST_F(JoinerTest, ClicksMayNameItems) {
  WriteLog({Record("r", Candidates(3))});
  Write("clicks.tsv", "request_id\titem\nr\tad1\nr\tad9\nelsewhere\tad1\n");
  options_.id_field = "ad";
  const JoinReport report = MustJoin();
  EXPECT_EQ(Read("out.tsv"), std::string(kHeader) +
                                 "0\tann\t\t\t\tad0\t\n1\tann\t\t\t\tad1\t\n0\tann\t\t\t\tad2\t\n");
  EXPECT_EQ(report.unmatched_clicks, 2U);
}

TEST_F(JoinerTest, ItemsOfACatalogueHaveTheFeaturesOfATable) {
  v1::PredictRequest request = Candidates(1);
  for (const char* id : {"ad7", "gone", "ad8"}) request.mutable_items()->add_strings(id);
  v1::PredictionRecord best;
  best.set_time_unix_us(kServedUs);
  *best.mutable_top_k_request()->mutable_features()->mutable_context() =
      request.features().context();
  best.mutable_top_k_response()->set_model("ctr");
  best.mutable_top_k_response()->set_request_id("t");
  best.mutable_top_k_response()->mutable_ids()->add_strings("ad8");
  WriteLog({Record("r", request), best});
  Write("clicks.tsv", "request_id\tposition\titem\nr\t1\t\nt\t\tad8\n");
  EXPECT_THAT(ErrorOfJoin(), HasSubstr("record 1: the request names items by ids; give --items"));
  Write("items.tsv", "image\tad\n1|2\tad7\n3|4\tad8\n");
  options_.items = dir_ / "items.tsv";
  EXPECT_THAT(ErrorOfJoin(), HasSubstr("--items: needs --id"));
  options_.id_field = "ad";
  EXPECT_EQ(MustJoin().unknown_items, 1U);
  EXPECT_EQ(Read("out.tsv"), std::string(kHeader) +
                                 "0\tann\t\t\t\tad0\t\n"
                                 "1\tann\t\t\t\tad7\t1|2\n"
                                 "0\tann\t\t\t\tad8\t3|4\n"
                                 "1\tann\t\t\t\tad8\t3|4\n");
}

TEST_F(JoinerTest, OnlyWhatWasShownBecomesRowsWhereThatIsKnown) {
  WriteLog({Record("r", Candidates(3)), Record("never", Candidates(2))});
  Write("clicks.tsv", "request_id\tposition\nr\t2\n");
  Write("shown.tsv", "request_id\tposition\nr\t2\nr\t0\n");
  options_.shown = dir_ / "shown.tsv";
  MustJoin();
  EXPECT_EQ(Read("out.tsv"), std::string(kHeader) + "0\tann\t\t\t\tad0\t\n1\tann\t\t\t\tad2\t\n");
}

TEST_F(JoinerTest, CandidatesWithoutAScoreAreLeftOut) {
  v1::PredictionRecord record = Record("r", Candidates(3));
  record.mutable_predict_response()->set_scored_count(1);
  WriteLog({record});
  Write("clicks.tsv", "request_id\tposition\n");
  const JoinReport report = MustJoin();
  EXPECT_EQ(report.rows, 1U);
  EXPECT_EQ(report.unscored, 2U);
}

TEST_F(JoinerTest, ValuesThatATsvCannotHoldStandInACsv) {
  v1::PredictRequest request = Candidates(1);
  request.mutable_features()->mutable_context(0)->set_strings(0, "a\t\"b\",\nc");
  WriteLog({Record("r", request), Record("s", Candidates(1))});
  Write("clicks.tsv", "request_id\tposition\n");
  EXPECT_EQ(MustJoin().unwritable, 1U);
  EXPECT_EQ(Read("out.tsv"), std::string(kHeader) + "0\tann\t\t\t\tad0\t\n");
  options_.out = dir_ / "out.csv";
  EXPECT_EQ(MustJoin().unwritable, 0U);
  EXPECT_EQ(Read("out.csv"),
            "click,user,hour,topics,age,ad,image\n0,\"a\t\"\"b\"\",\nc\",,,,ad0,\n0,ann,,,,ad0,\n");
}

TEST_F(JoinerTest, ASchemaThatIsNotTheModelsIsRefused) {
  v1::PredictionRecord record = Record("r", Candidates(1));
  for (const char* name : {"user", "weekday"}) record.add_field_names(name);
  WriteLog({record});
  Write("clicks.tsv", "request_id\tposition\n");
  EXPECT_THAT(ErrorOfJoin(), HasSubstr("field 1 is 'hour', the model's 'weekday'"));
  v1::PredictRequest request = Candidates(1);
  request.mutable_features()->mutable_context(0)->set_field("who");
  WriteLog({Record("r", request)});
  EXPECT_THAT(ErrorOfJoin(), HasSubstr("the schema has no field 'who'"));
}

TEST_F(JoinerTest, SeveralModelsAreToldApart) {
  v1::PredictionRecord other = Record("s", Candidates(5));
  other.mutable_predict_response()->set_model("cvr");
  WriteLog({Record("r", Candidates(1)), other});
  Write("clicks.tsv", "request_id\tposition\n");
  EXPECT_THAT(ErrorOfJoin(), HasSubstr("several models, 'ctr' and 'cvr'; name one with --model"));
  options_.model = "cvr";
  EXPECT_EQ(MustJoin().rows, 5U);
}

TEST_F(JoinerTest, BadClickFilesAreRefusedByLine) {
  WriteLog({Record("r", Candidates(1))});
  const std::pair<const char*, const char*> cases[] = {
      {"", "the file is empty"},
      {"id\tposition\n", ":1: the header has no column 'request_id'"},
      {"request_id\n", ":1: the header has no column 'position' and none 'item'"},
      {"request_id\tposition\nr\t-1\n", ":2: position '-1' is no whole number from 0"},
      {"request_id\tposition\nr\n", ":2: the line has 1 columns, the header has 2"},
      {"request_id\tposition\n\t1\n", ":2: request_id is empty"},
      {"request_id\tposition\ttime\nr\t0\tsoon\n", ":2: time 'soon' is neither"},
      {"request_id\titem\nr\t\n", ":2: there is no position, and item '' is no value"}};
  for (const auto& [text, message] : cases) {
    Write("clicks.tsv", text);
    EXPECT_THAT(ErrorOfJoin(), HasSubstr(message));
  }
}

}  // namespace
}  // namespace fmserve::tools
