#include "trainer/report/curves.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "trainer/metrics.h"

namespace fmserve::trainer {
namespace {

using model::Task;

// Owns the columns that a view shows.
struct Columns {
  std::vector<float> predictions;
  std::vector<float> labels;
  std::vector<float> weights{};

  ScoredView view() const { return {predictions, labels, weights}; }
  std::vector<uint32_t> order() const { return OrderByPrediction(view()); }
};

// Clicks with the probability that is predicted.
Columns HonestModel(size_t rows, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> uniform;
  Columns columns;
  for (size_t i = 0; i < rows; ++i) {
    columns.predictions.push_back(uniform(random));
    columns.labels.push_back(uniform(random) < columns.predictions.back() ? 1.0F : 0.0F);
  }
  return columns;
}

double AreaUnder(const std::vector<CurvePoint>& curve) {
  double area = 0.0;
  for (size_t i = 1; i < curve.size(); ++i)
    area += (curve[i].x - curve[i - 1].x) * (curve[i].y + curve[i - 1].y) / 2;
  return area;
}

TEST(RankingCurvesTest, FourRowsByHand) {
  const Columns columns{{0.9F, 0.7F, 0.4F, 0.2F}, {1, 0, 1, 0}};
  const RankingCurves curves = ComputeRankingCurves(columns.view(), columns.order(), 100).value();
  const std::vector<std::pair<double, double>> roc = {
      {0, 0}, {0, 0.5}, {0.5, 0.5}, {0.5, 1}, {1, 1}};
  ASSERT_EQ(curves.roc.size(), roc.size());
  for (size_t i = 0; i < roc.size(); ++i) {
    EXPECT_DOUBLE_EQ(curves.roc[i].x, roc[i].first) << i;
    EXPECT_DOUBLE_EQ(curves.roc[i].y, roc[i].second) << i;
  }
  // Precision 1 at the first click, 2/3 at the second.
  EXPECT_DOUBLE_EQ(curves.average_precision, 0.5 * 1 + 0.5 * 2 / 3);
  EXPECT_DOUBLE_EQ(curves.positive_share, 0.5);
  EXPECT_FLOAT_EQ(static_cast<float>(curves.roc[1].threshold), 0.9F);
}

TEST(RankingCurvesTest, TiesAreOneStep) {
  const Columns columns{{0.5F, 0.5F, 0.5F, 0.1F}, {1, 0, 1, 0}};
  const RankingCurves curves = ComputeRankingCurves(columns.view(), columns.order(), 100).value();
  ASSERT_EQ(curves.roc.size(), 3U);
  EXPECT_DOUBLE_EQ(curves.roc[1].x, 0.5);
  EXPECT_DOUBLE_EQ(curves.roc[1].y, 1.0);
}

TEST(RankingCurvesTest, ManyRowsMakeABoundedCurveWithTheSameArea) {
  const Columns columns = HonestModel(20'000, 3);
  const RankingCurves curves = ComputeRankingCurves(columns.view(), columns.order(), 50).value();
  EXPECT_LE(curves.roc.size(), 50U);
  EXPECT_GT(curves.roc.size(), 20U);
  EXPECT_LE(curves.precision_recall.size(), 50U);
  EXPECT_DOUBLE_EQ(curves.precision_recall.back().x, 1.0);
  const double auc = *ComputeMetrics(Task::kBinary, columns.predictions, columns.labels).auc;
  EXPECT_NEAR(AreaUnder(curves.roc), auc, 0.002);
}

TEST(RankingCurvesTest, NothingWithoutTwoClasses) {
  const Columns clicks{{0.5F, 0.2F}, {1, 1}};
  EXPECT_FALSE(ComputeRankingCurves(clicks.view(), clicks.order(), 100).has_value());
  const Columns weightless{{0.5F, 0.2F}, {1, 0}, {1, 0}};
  EXPECT_FALSE(ComputeRankingCurves(weightless.view(), weightless.order(), 100).has_value());
}

TEST(BucketsTest, HoldEqualWeightsInOrderOfPrediction) {
  const Columns columns{{0.8F, 0.1F, 0.2F, 0.6F, 0.3F, 0.9F}, {1, 0, 0, 1, 1, 1}};
  const auto buckets = ComputeBuckets(Task::kBinary, columns.view(), columns.order(), 3);
  ASSERT_EQ(buckets.size(), 3U);
  for (const ScoreBucket& bucket : buckets) EXPECT_EQ(bucket.rows, 2U);
  EXPECT_NEAR(buckets[0].predicted, 0.15, 1e-7);
  EXPECT_EQ(buckets[0].observed, 0.0);
  EXPECT_EQ(buckets[1].observed, 1.0);
  EXPECT_FLOAT_EQ(static_cast<float>(buckets[1].low), 0.3F);
  EXPECT_FLOAT_EQ(static_cast<float>(buckets[1].high), 0.6F);
}

TEST(BucketsTest, WilsonsIntervalOfOneInTen) {
  Columns columns;
  for (int i = 0; i < 10; ++i) {
    columns.predictions.push_back(0.1F);
    columns.labels.push_back(i == 0 ? 1.0F : 0.0F);
  }
  const auto buckets = ComputeBuckets(Task::kBinary, columns.view(), columns.order(), 5);
  ASSERT_EQ(buckets.size(), 1U) << "rows with the same prediction stay together";
  EXPECT_NEAR(buckets[0].observed_low, 0.01787, 1e-5);
  EXPECT_NEAR(buckets[0].observed_high, 0.40415, 1e-5);
}

TEST(BucketsTest, WeightsCountAsRepetitionsDoButForTheInterval) {
  const Columns weighted{{0.1F, 0.2F, 0.3F}, {0, 1, 1}, {2, 1, 3}};
  const auto buckets = ComputeBuckets(Task::kBinary, weighted.view(), weighted.order(), 2);
  ASSERT_EQ(buckets.size(), 2U);
  EXPECT_DOUBLE_EQ(buckets[0].weight, 3.0);
  EXPECT_NEAR(buckets[0].observed, 1.0 / 3, 1e-12);
}

TEST(BucketsTest, ManyTiesTakeThePlaceOfSeveralBuckets) {
  Columns columns;
  for (int i = 0; i < 100; ++i) {
    columns.predictions.push_back(i < 50 ? 0.1F : 0.1F + 0.001F * static_cast<float>(i));
    columns.labels.push_back(0.0F);
  }
  const auto buckets = ComputeBuckets(Task::kBinary, columns.view(), columns.order(), 10);
  ASSERT_EQ(buckets.size(), 6U);
  EXPECT_EQ(buckets[0].rows, 50U);
  for (size_t i = 1; i < 6; ++i) EXPECT_EQ(buckets[i].rows, 10U);
}

TEST(BucketsTest, RowsWithoutWeightAreInNone) {
  const Columns columns{{0.1F, 0.2F}, {0, 1}, {0, 0}};
  EXPECT_TRUE(ComputeBuckets(Task::kBinary, columns.view(), columns.order(), 2).empty());
}

TEST(BucketsTest, RegressionHasTheIntervalOfAMean) {
  const Columns columns{{3.0F, 3.0F, 3.0F, 3.0F}, {1, 3, 3, 5}};
  const auto buckets = ComputeBuckets(Task::kRegression, columns.view(), columns.order(), 4);
  ASSERT_EQ(buckets.size(), 1U);
  EXPECT_DOUBLE_EQ(buckets[0].observed, 3.0);
  EXPECT_NEAR(buckets[0].observed_high - 3.0, 1.959964 * std::sqrt(2.0 / 4), 1e-5);
}

std::vector<ScoreBucket> BucketsWith(const std::vector<double>& observed) {
  std::vector<ScoreBucket> buckets(observed.size());
  for (size_t i = 0; i < observed.size(); ++i) {
    buckets[i].predicted = 0.1 * static_cast<double>(i);
    buckets[i].observed = observed[i];
  }
  return buckets;
}

TEST(RankCorrelationTest, TellsHowWellTheOrderIsKept) {
  EXPECT_DOUBLE_EQ(*RankCorrelation(BucketsWith({0.1, 0.2, 0.7})), 1.0);
  EXPECT_DOUBLE_EQ(*RankCorrelation(BucketsWith({0.7, 0.2, 0.1})), -1.0);
  // Differences of ranks 0, 1, 1, 0: 1 - 6 * 2 / (4 * 15).
  EXPECT_NEAR(*RankCorrelation(BucketsWith({0.1, 0.3, 0.2, 0.4})), 0.8, 1e-12);
  EXPECT_FALSE(RankCorrelation(BucketsWith({0.1, 0.2})).has_value());
  EXPECT_FALSE(RankCorrelation(BucketsWith({0.1, 0.1, 0.1})).has_value());
}

TEST(RowCorrelationTest, IsPearsons) {
  const Columns columns{{1, 2, 3, 4}, {2, 1, 4, 3}};
  EXPECT_NEAR(*RowCorrelation(columns.view(), columns.order()), 0.6, 1e-12);
  const Columns constant{{1, 1}, {2, 1}};
  EXPECT_FALSE(RowCorrelation(constant.view(), constant.order()).has_value());
}

TEST(HistogramTest, ScoresAreSharesOfTheirClass) {
  const Columns columns{{0.1F, 0.1F, 0.9F, 0.9F, 0.9F}, {0, 0, 0, 1, 1}};
  const ScoreHistograms scores = ComputeScoreHistograms(columns.view(), columns.order(), 4);
  EXPECT_NEAR(scores.negatives.low, std::log(0.1 / 0.9), 1e-6);
  EXPECT_NEAR(scores.negatives.high, std::log(9.0), 1e-6);
  EXPECT_NEAR(scores.negatives.weights.front(), 2.0 / 3, 1e-12);
  EXPECT_NEAR(scores.negatives.weights.back(), 1.0 / 3, 1e-12);
  EXPECT_DOUBLE_EQ(scores.positives.weights.back(), 1.0);
}

TEST(HistogramTest, OutliersCountInTheOutermostBucket) {
  Columns columns = HonestModel(10'000, 5);
  columns.predictions[0] = 1e-30F;
  columns.predictions[1] = 1.0F;
  const ScoreHistograms scores = ComputeScoreHistograms(columns.view(), columns.order(), 40);
  EXPECT_GT(scores.negatives.low, -12.0) << "one row must not squeeze all the others";
  double sum = 0.0;
  for (const double weight : scores.negatives.weights) sum += weight;
  EXPECT_NEAR(sum, 1.0, 1e-9);
}

TEST(HistogramTest, ResidualsAreLabelsLessPredictions) {
  const Columns columns{{3, 3, 3, 3}, {1, 3, 3, 5}};
  const Histogram residuals = ComputeResidualHistogram(columns.view(), 3);
  EXPECT_DOUBLE_EQ(residuals.low, -2.0);
  EXPECT_DOUBLE_EQ(residuals.high, 2.0);
  EXPECT_EQ(residuals.weights, (std::vector<double>{0.25, 0.5, 0.25}));
}

TEST(HistogramTest, OneValueHasRoomAroundIt) {
  const Columns columns{{3, 3}, {3, 3}};
  const Histogram residuals = ComputeResidualHistogram(columns.view(), 3);
  EXPECT_LT(residuals.low, residuals.high);
  EXPECT_EQ(residuals.weights, (std::vector<double>{0, 1, 0}));
}

}  // namespace
}  // namespace fmserve::trainer
