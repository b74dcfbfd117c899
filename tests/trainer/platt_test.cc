#include "trainer/platt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace fmserve::trainer {
namespace {

using ::testing::HasSubstr;

struct Rows {
  std::vector<float> scores;
  std::vector<float> labels;
};

// Clicks come with the probability sigmoid(scale * score + offset).
Rows Draw(double scale, double offset, int count) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> score(-1.0F, 1.5F);
  std::uniform_real_distribution<double> chance(0.0, 1.0);
  Rows rows;
  for (int i = 0; i < count; ++i) {
    rows.scores.push_back(score(random));
    const double p = 1.0 / (1.0 + std::exp(-(scale * rows.scores.back() + offset)));
    rows.labels.push_back(chance(random) < p ? 1.0F : 0.0F);
  }
  return rows;
}

double MeanPrediction(const model::Calibration& calibration, const Rows& rows) {
  double sum = 0.0;
  for (const float score : rows.scores)
    sum += 1.0 / (1.0 + std::exp(-(calibration.scale * score + calibration.offset)));
  return sum / static_cast<double>(rows.scores.size());
}

TEST(Platt, FindsTheLineThatTheClicksWereDrawnBy) {
  const Rows rows = Draw(0.6, 1.25, 200'000);
  const auto calibration = FitPlatt(rows.scores, rows.labels);
  ASSERT_TRUE(calibration.ok()) << calibration.status();
  EXPECT_EQ(calibration->kind, model::CalibrationKind::kPlatt);
  EXPECT_NEAR(calibration->scale, 0.6, 0.02);
  EXPECT_NEAR(calibration->offset, 1.25, 0.02);
}

TEST(Platt, MakesTheMeanPredictionThatOfTheLabels) {
  const Rows rows = Draw(0.3, -4.0, 50'000);
  const auto calibration = FitPlatt(rows.scores, rows.labels);
  ASSERT_TRUE(calibration.ok()) << calibration.status();
  double clicks = 0.0;
  for (const float label : rows.labels) clicks += label;
  const double share = clicks / static_cast<double>(rows.labels.size());
  EXPECT_NEAR(MeanPrediction(*calibration, rows) / share, 1.0, 0.01);
}

TEST(Platt, AWeightCountsLikeSoManyRows) {
  const Rows rows = Draw(1.0, 0.0, 300);
  std::vector<float> weights;
  Rows repeated;
  for (size_t i = 0; i < rows.scores.size(); ++i) {
    weights.push_back(static_cast<float>(i % 4));
    for (size_t n = 0; n < i % 4; ++n) {
      repeated.scores.push_back(rows.scores[i]);
      repeated.labels.push_back(rows.labels[i]);
    }
  }
  const auto weighted = FitPlatt(rows.scores, rows.labels, weights);
  const auto counted = FitPlatt(repeated.scores, repeated.labels);
  ASSERT_TRUE(weighted.ok() && counted.ok());
  EXPECT_NEAR(weighted->scale, counted->scale, 1e-6);
  EXPECT_NEAR(weighted->offset, counted->offset, 1e-6);
}

TEST(Platt, StaysFiniteWhereScoresTellTheLabelsApart) {
  const Rows rows{.scores = {-300.0F, -200.0F, 500.0F, 600.0F}, .labels = {0, 0, 1, 1}};
  const auto calibration = FitPlatt(rows.scores, rows.labels);
  ASSERT_TRUE(calibration.ok()) << calibration.status();
  EXPECT_GT(calibration->scale, 0.0);
  EXPECT_LT(calibration->scale, 1.0);
  EXPECT_TRUE(std::isfinite(calibration->offset));
}

TEST(Platt, SaysWhatCannotBeCalibrated) {
  const auto problem = [](const Rows& rows, const std::vector<float>& weights = {}) {
    return FitPlatt(rows.scores, rows.labels, weights).status();
  };
  EXPECT_THAT(problem({.scores = {1, 2}, .labels = {1, 1}}).ToString(), HasSubstr("both labels"));
  EXPECT_THAT(problem({.scores = {1, 2}, .labels = {0, 1}}, {1, 0}).ToString(),
              HasSubstr("both labels"));
  EXPECT_THAT(problem({.scores = {}, .labels = {}}).ToString(), HasSubstr("both labels"));
  EXPECT_THAT(problem({.scores = {2, 2, 2}, .labels = {0, 1, 1}}).ToString(),
              HasSubstr("the same score"));
  EXPECT_THAT(
      problem({.scores = {1, std::numeric_limits<float>::infinity()}, .labels = {0, 1}}).ToString(),
      HasSubstr("row 2 is not finite"));
  const absl::Status backwards = problem({.scores = {3, 2, 1, 0}, .labels = {0, 0, 1, 1}});
  EXPECT_TRUE(absl::IsFailedPrecondition(backwards));
  EXPECT_THAT(backwards.ToString(), HasSubstr("the fewer the clicks"));
}

}  // namespace
}  // namespace fmserve::trainer
