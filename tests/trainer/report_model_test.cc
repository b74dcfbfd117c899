#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "tests/trainer/small_model.h"
#include "trainer/report/importance.h"
#include "trainer/report/largest.h"
#include "trainer/table_scorer.h"

namespace fmserve::trainer {
namespace {

// The user decides, with a weight of 2 to each side; the ad says nothing.
SmallModel UserModel() {
  return {.rows = {{.field = "user", .value = "yes", .w = 2.0F, .v = {1, 0}, .count = 50},
                   {.field = "user", .value = "no", .w = -2.0F, .v = {0, 1}, .count = 50},
                   {.field = "user", .value = "rare", .w = 9.0F, .v = {0, 0}, .count = 1},
                   {.field = "ad", .value = "a1", .w = 0.0F, .v = {0.5F, 0.25F}, .count = 90},
                   {.field = "ad", .value = "a2", .w = 0.0F, .v = {0, -1.5F}, .count = 20}}};
}

RawExamples UserRows(size_t rows) {
  RawExamples examples;
  for (size_t i = 0; i < rows; ++i) {
    examples.cells.push_back({i % 2 == 0 ? "yes" : "no", "a1", ""});
    examples.labels.push_back(i % 2 == 0 ? 1.0F : 0.0F);
    examples.weights.push_back(1.0F);
  }
  return examples;
}

std::unique_ptr<TableScorer> ScorerOf(const SmallModel& small) {
  return TableScorer::Create(Open(small)).value();
}

TEST(ImportanceTest, AFieldThatDecidesIsImportantAndOneThatIsConstantIsNot) {
  const auto scorer = ScorerOf(UserModel());
  const ImportanceResult result = ComputeImportance(*scorer, UserRows(400), {}).value();
  EXPECT_EQ(result.rows, 400U);
  ASSERT_EQ(result.fields.size(), 3U);
  EXPECT_EQ(result.fields[0].field, 0U);
  // Of half the rows the score changes sides: from 2.5 to -1.75, or back (with the pair's part).
  const double right = (std::log1p(std::exp(-2.5)) + std::log1p(std::exp(-1.75))) / 2;
  const double wrong = (std::log1p(std::exp(2.5)) + std::log1p(std::exp(1.75))) / 2;
  EXPECT_NEAR(result.loss, right, 1e-5);
  EXPECT_NEAR(result.fields[0].mean, (wrong - right) / 2, 0.15);
  EXPECT_LE(result.fields[0].low, result.fields[0].mean);
  EXPECT_GE(result.fields[0].high, result.fields[0].mean);
  EXPECT_EQ(result.fields[1].mean, 0.0);
}

TEST(ImportanceTest, WorkIsBounded) {
  const auto scorer = ScorerOf(UserModel());
  ImportanceOptions options;
  options.max_scorings = 1000;
  const ImportanceResult result = ComputeImportance(*scorer, UserRows(400), options).value();
  EXPECT_EQ(result.rows, 100U) << "9 shuffles and the rows as they are";
}

TEST(ImportanceTest, NothingCanBeShuffledInOneRow) {
  const auto scorer = ScorerOf(UserModel());
  EXPECT_TRUE(ComputeImportance(*scorer, UserRows(1), {}).value().fields.empty());
}

TEST(LargestWeightsTest, AreOrderedBySizeAmongThoseThatAreCommon) {
  const auto weights = FindLargestWeights(Open(UserModel()), 2, 10).value();
  ASSERT_EQ(weights.size(), 2U);
  EXPECT_EQ(std::abs(weights[0].w), 2.0);
  EXPECT_EQ(std::abs(weights[1].w), 2.0);
  const auto all = FindLargestWeights(Open(UserModel()), 10, 0).value();
  ASSERT_EQ(all.size(), 5U);
  EXPECT_EQ(all[0].value, "rare");
  EXPECT_EQ(all[0].count, 1U);
  EXPECT_EQ(all[0].field, 0);
}

TEST(LargestWeightsTest, FilesWithoutCountsOrNamesHaveWeightsAllTheSame) {
  SmallModel small = UserModel();
  small.training_rows.reset();
  small.with_names = false;
  const auto weights = FindLargestWeights(Open(small), 1, 10).value();
  ASSERT_EQ(weights.size(), 1U);
  EXPECT_EQ(weights[0].w, 9.0);
  EXPECT_FALSE(weights[0].field.has_value());
}

TEST(CommonFeaturesTest, AreThoseThatMostRowsHaveAndTheModelKnows) {
  const auto file = Open(UserModel());
  RawExamples examples = UserRows(10);
  examples.cells[0] = {"yes", "a2", "3.5"};
  examples.cells[1] = {"stranger", "a1", ""};
  const auto common = FindCommonFeatures(*file, examples, 3).value();
  ASSERT_EQ(common.size(), 3U);
  EXPECT_EQ(common[0].key, SmallKey("ad", "a1"));
  EXPECT_EQ(common[0].rows, 9U);
  EXPECT_EQ(common[0].field, 1);
  EXPECT_EQ(common[1].key, SmallKey("user", "yes"));
  EXPECT_EQ(common[1].rows, 5U);
}

TEST(LargestInteractionsTest, AreOfDifferentFields) {
  const auto file = Open(UserModel());
  RawExamples examples = UserRows(10);
  examples.cells[0][1] = "a2";
  const auto common = FindCommonFeatures(*file, examples, 10).value();
  ASSERT_EQ(common.size(), 4U);
  const auto pairs = FindLargestInteractions(*file, common, 2).value();
  ASSERT_EQ(pairs.size(), 2U);
  EXPECT_DOUBLE_EQ(pairs[0].interaction, -1.5) << "no and a2";
  EXPECT_DOUBLE_EQ(pairs[1].interaction, 0.5) << "yes and a1";
  EXPECT_NE(pairs[0].first.field, pairs[0].second.field);
}

}  // namespace
}  // namespace fmserve::trainer
