#include "trainer/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace fmserve::trainer {
namespace {

using model::Task;

TEST(MetricsTest, LoglossCalibrationAndRmseOfThreeClicks) {
  const std::vector<float> p = {0.25F, 0.5F, 0.75F};
  const std::vector<float> y = {0, 1, 1};
  const Metrics metrics = ComputeMetrics(Task::kBinary, p, y);
  EXPECT_EQ(metrics.rows, 3U);
  const double logloss = -(std::log(0.75) + std::log(0.5) + std::log(0.75)) / 3;
  EXPECT_NEAR(*metrics.logloss, logloss, 1e-12);
  EXPECT_NEAR(*metrics.calibration, 1.5 / 2, 1e-12);
  EXPECT_NEAR(*metrics.rmse, std::sqrt((0.0625 + 0.25 + 0.0625) / 3), 1e-12);
  const double entropy = -(std::log(2.0 / 3) * 2 + std::log(1.0 / 3)) / 3;
  EXPECT_NEAR(*metrics.normalized_entropy, logloss / entropy, 1e-12);
}

TEST(MetricsTest, AucCountsPairsInTheRightOrder) {
  // Positives 0.9, 0.4; negatives 0.5, 0.1: three of four pairs are right.
  EXPECT_EQ(*ComputeMetrics(Task::kBinary, std::vector{0.9F, 0.4F, 0.5F, 0.1F},
                            std::vector{1.F, 1.F, 0.F, 0.F})
                 .auc,
            0.75);
}

TEST(MetricsTest, TiesCountHalfInAuc) {
  // Positives 0.5, 0.5, 0.8; negatives 0.5, 0.2: (0.5 + 1) + (0.5 + 1) + 2 of 6.
  EXPECT_NEAR(*ComputeMetrics(Task::kBinary, std::vector{0.5F, 0.5F, 0.8F, 0.5F, 0.2F},
                              std::vector{1.F, 1.F, 1.F, 0.F, 0.F})
                   .auc,
              5.0 / 6, 1e-12);
  EXPECT_EQ(*ComputeMetrics(Task::kBinary, std::vector{0.3F, 0.3F}, std::vector{1.F, 0.F}).auc,
            0.5);
}

TEST(MetricsTest, ARowOfWeightTwoCountsAsTwoRows) {
  const std::vector<float> p = {0.25F, 0.5F, 0.5F, 0.75F};
  const std::vector<float> y = {0, 1, 0, 1};
  const Metrics weighted = ComputeMetrics(Task::kBinary, p, y, std::vector<float>{1, 2, 1, 0});
  const Metrics repeated = ComputeMetrics(Task::kBinary, std::vector{0.25F, 0.5F, 0.5F, 0.5F},
                                          std::vector<float>{0, 1, 1, 0});
  EXPECT_EQ(weighted.rows, 4U);
  EXPECT_NEAR(*weighted.logloss, *repeated.logloss, 1e-12);
  EXPECT_NEAR(*weighted.auc, *repeated.auc, 1e-12);
  EXPECT_NEAR(*weighted.normalized_entropy, *repeated.normalized_entropy, 1e-12);
  EXPECT_NEAR(*weighted.calibration, *repeated.calibration, 1e-12);
  EXPECT_NEAR(*weighted.rmse, *repeated.rmse, 1e-12);
}

TEST(MetricsTest, RowsThatCountNothingHaveNoMetrics) {
  const Metrics metrics = ComputeMetrics(Task::kBinary, std::vector{0.5F, 0.5F},
                                         std::vector{1.F, 0.F}, std::vector{0.F, 0.F});
  EXPECT_EQ(metrics.rows, 2U);
  EXPECT_FALSE(metrics.logloss || metrics.auc || metrics.rmse || metrics.calibration);
}

TEST(MetricsTest, PredictingTheMeanHasANormalizedEntropyOfOne) {
  EXPECT_NEAR(
      *ComputeMetrics(Task::kBinary, std::vector<float>(4, 0.25F), std::vector{1.F, 0.F, 0.F, 0.F})
           .normalized_entropy,
      1.0, 1e-12);
}

TEST(MetricsTest, ACertainMistakeCostsAFiniteLogloss) {
  EXPECT_NEAR(*ComputeMetrics(Task::kBinary, std::vector{0.F}, std::vector{1.F}).logloss,
              -std::log(1e-15), 1e-9);
  // The sigmoid of 17 is 1 as a float; the loss is that of about 17, not of 34.
  EXPECT_NEAR(*ComputeMetrics(Task::kBinary, std::vector{1.F}, std::vector{0.F}).logloss,
              -std::log(0x1p-25), 1e-9);
}

TEST(MetricsTest, APredictionThatIsNoNumberHasNoRank) {
  const float nan = std::nanf("");
  const Metrics metrics =
      ComputeMetrics(Task::kBinary, std::vector{0.5F, nan, nan}, std::vector{0.F, 1.F, 0.F});
  EXPECT_FALSE(metrics.auc);
  EXPECT_FALSE(metrics.normalized_entropy);
  EXPECT_TRUE(std::isnan(*metrics.logloss));
}

TEST(MetricsTest, WhatIsNotDefinedIsAbsent) {
  const Metrics one_class =
      ComputeMetrics(Task::kBinary, std::vector{0.2F, 0.3F}, std::vector{0.F, 0.F});
  EXPECT_TRUE(one_class.logloss);
  EXPECT_FALSE(one_class.auc);
  EXPECT_FALSE(one_class.normalized_entropy);
  EXPECT_FALSE(one_class.calibration);
  const Metrics nothing = ComputeMetrics(Task::kBinary, {}, {});
  EXPECT_EQ(nothing.rows, 0U);
  EXPECT_FALSE(nothing.rmse);
}

TEST(MetricsTest, RegressionHasRmseAndCalibrationOnly) {
  const Metrics metrics =
      ComputeMetrics(Task::kRegression, std::vector{2.F, 5.F}, std::vector{1.F, 3.F});
  EXPECT_FALSE(metrics.logloss);
  EXPECT_FALSE(metrics.auc);
  EXPECT_NEAR(*metrics.rmse, std::sqrt(2.5), 1e-12);
  EXPECT_NEAR(*metrics.calibration, 7.0 / 4, 1e-12);
  EXPECT_EQ(Loss(Task::kRegression, metrics), *metrics.rmse);
}

}  // namespace
}  // namespace fmserve::trainer
