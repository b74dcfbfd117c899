#include "trainer/average.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/trainer/small_model.h"
#include "trainer/table_scorer.h"

namespace fmserve::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Files = std::vector<std::shared_ptr<const model::WeightFile>>;

FeatureRow RowOf(const RowTable& table, const std::string& field, const std::string& value) {
  FeatureRow row;
  EXPECT_TRUE(table.Find(SmallKey(field, value), row)) << field << " " << value;
  return row;
}

std::string Refusal(const SmallModel& first, const SmallModel& second,
                    Start start = Start::kMustAgree) {
  return std::string(CheckAverageable({Open(first), Open(second)}, start).message());
}

TEST(AverageTest, ARowIsWeightedByTheTrainingRowsThatHadItsFeature) {
  const AveragedRows rows({Open({.rows = {{"ad", "a1", 1.0F, {2.0F, 0.0F}, 30}}}),
                           Open({.rows = {{"ad", "a1", 5.0F, {-2.0F, 4.0F}, 10}}})},
                          {1.0, 1.0});
  const FeatureRow row = RowOf(rows, "ad", "a1");
  EXPECT_FLOAT_EQ(row.w, 2.0F);  // (30 * 1 + 10 * 5) / 40
  EXPECT_THAT(row.v, ElementsAre(1.0F, 1.0F));
  EXPECT_EQ(row.count, 40U);
  EXPECT_EQ(row.name->value, "a1");
}

TEST(AverageTest, WeightsOfModelsMultiplyTheCounts) {
  const AveragedRows rows(
      {Open({.rows = {{"ad", "a1", 1.0F, {0.0F, 0.0F}, 10}}, .w0 = 1.0, .training_rows = 100}),
       Open({.rows = {{"ad", "a1", 4.0F, {0.0F, 0.0F}, 10}}, .w0 = 4.0, .training_rows = 200})},
      {2.0, 1.0});
  EXPECT_FLOAT_EQ(RowOf(rows, "ad", "a1").w, 2.0F);
  EXPECT_DOUBLE_EQ(rows.w0(), (200.0 * 1.0 + 200.0 * 4.0) / 400.0);
}

TEST(AverageTest, AFeatureThatOneModelDoesNotKnowKeepsTheValuesOfTheOthers) {
  const AveragedRows rows({Open({.rows = {{"ad", "a1", 1.0F, {2.0F, 3.0F}, 1}}}),
                           Open({.rows = {{"ad", "a2", 4.0F, {5.0F, 6.0F}, 1000}}})},
                          {1.0, 1.0});
  EXPECT_EQ(RowOf(rows, "ad", "a1").w, 1.0F);
  EXPECT_THAT(RowOf(rows, "ad", "a2").v, ElementsAre(5.0F, 6.0F));
  FeatureRow row;
  EXPECT_FALSE(rows.Find(SmallKey("ad", "a3"), row));
}

TEST(AverageTest, AFeatureThatNoModelCountedIsWeightedByTheModels) {
  const AveragedRows rows({Open({.rows = {{"ad", "a1", 1.0F, {0.0F, 0.0F}, 0}}}),
                           Open({.rows = {{"ad", "a1", 4.0F, {0.0F, 0.0F}, 0}}})},
                          {2.0, 1.0});
  EXPECT_FLOAT_EQ(RowOf(rows, "ad", "a1").w, 2.0F);
}

TEST(AverageTest, EveryFeatureOfAnyModelComesOnce) {
  const SmallModel first = {
      .rows = {{"ad", "a1", 1.0F, {0.0F, 0.0F}, 1}, {"ad", "a2", 1.0F, {0.0F, 0.0F}, 1}}};
  const SmallModel second = {
      .rows = {{"ad", "a2", 1.0F, {0.0F, 0.0F}, 1}, {"user", "u1", 1.0F, {0.0F, 0.0F}, 1}}};
  std::vector<std::string> values;
  ASSERT_TRUE(AveragedRows({Open(first), Open(second), Open(second)}, {1.0, 1.0, 1.0})
                  .ForEach([&](const FeatureRow& row) {
                    values.emplace_back(row.name->value);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_THAT(values, testing::UnorderedElementsAre("a1", "a2", "u1"));
}

TEST(AverageTest, OnlyModelsOfOneFieldMatrixAreAveraged) {
  const SmallModel plain = {.rows = {{"ad", "a1", 1.0F, {2.0F, 0.0F}, 30}}};
  SmallModel weighted = plain;
  weighted.field_matrix =
      model::FieldMatrix{.rank = 1, .scales = {2.0F}, .factors = {1.0F, 0.5F, 0.25F}};
  SmallModel other = weighted;
  other.field_matrix->factors[2] = -0.25F;
  EXPECT_EQ(Refusal(weighted, weighted), "");
  EXPECT_EQ(AveragedRows({Open(weighted), Open(weighted)}, {1.0, 1.0}).field_matrix(),
            weighted.field_matrix);
  EXPECT_THAT(Refusal(plain, weighted), HasSubstr("model 2 cannot be averaged with the first: it "
                                                  "is field-weighted"));
  EXPECT_THAT(Refusal(weighted, plain), HasSubstr("it is not field-weighted"));
  EXPECT_THAT(Refusal(weighted, other), HasSubstr("its field matrix differs"));
  EXPECT_THAT(Refusal(weighted, other, Start::kIgnore), HasSubstr("its field matrix differs"));
}

TEST(AverageTest, AModelWithItselfIsThatModel) {
  const auto file =
      Open({.rows = {{"user", "u1", 0.3F, {0.1F, 0.7F}, 7}, {"ad", "a1", -0.2F, {0.4F, 0.9F}, 3}},
            .w0 = -1.5});
  const Files files = {file, file};
  const std::string path = FreshPath();
  const auto report =
      Rewrite(AveragedRows(files, {1.0, 1.0}), AverageOptions(files), AllGoldens(files),
              AverageMetadata(files, {.operation = "average", .options = "", .parents = {}}), path);
  ASSERT_TRUE(report.ok()) << report.status();
  const auto averaged = *model::WeightFile::Open(path);
  EXPECT_EQ(averaged->goldens().size(), 2U);
  EXPECT_EQ(averaged->counts()->rows, 200U);
  EXPECT_EQ(averaged->info().w0, -1.5);
  const FeatureRow row = RowOf(FileRows(averaged), "ad", "a1");
  EXPECT_EQ(row.w, -0.2F);
  EXPECT_THAT(row.v, ElementsAre(0.4F, 0.9F));
  EXPECT_EQ(row.count, 6U);
  EXPECT_TRUE(CheckGoldens(**TableScorer::Create(averaged)).ok());
}

TEST(AverageTest, ModelsThatBeganElsewhereAreRefusedUnlessAskedFor) {
  SmallModel other;
  other.start = "by key, seed 2";
  EXPECT_THAT(Refusal({}, other), HasSubstr("model 2 began training at 'by key, seed 2', the "
                                            "first at 'by key, seed 1': factors"));
  EXPECT_EQ(Refusal({}, other, Start::kIgnore), "");
  other.start = "";
  EXPECT_THAT(Refusal({}, other), HasSubstr("model 2 began training nobody knows where"));
  EXPECT_THAT(Refusal(other, {}), HasSubstr("model 1 began training nobody knows where"));
}

TEST(AverageTest, ModelsWithoutCountsAreRefused) {
  EXPECT_THAT(Refusal({}, {.training_rows = std::nullopt}),
              HasSubstr("model 2 does not say how many training rows its features had"));
}

TEST(AverageTest, MetadataTellWhatItWasMadeOfAndNothingOfOneLogAlone) {
  const auto file = Open({});
  const model::Metadata metadata =
      AverageMetadata({file, file}, {.operation = "average",
                                     .options = "--weights 1,2",
                                     .parents = {{.sha256 = "aa", .info = file->info()},
                                                 {.sha256 = "bb", .info = file->info()}}});
  const model::Metadata expected = {{"option.k", "2"},
                                    {"model.start", "by key, seed 1"},
                                    {"data.train.rows", "200"},
                                    {"lineage.1.operation", "average"},
                                    {"lineage.1.options", "--weights 1,2"},
                                    {"lineage.1.parent.1", "small version 0, 0 rows, sha256 aa"},
                                    {"lineage.1.parent.2", "small version 0, 0 rows, sha256 bb"}};
  EXPECT_EQ(metadata, expected);
}

}  // namespace
}  // namespace fmserve::trainer
