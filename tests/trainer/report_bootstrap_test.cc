#include "trainer/report/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "trainer/metrics.h"

namespace fmserve::trainer {
namespace {

using model::Task;

std::optional<double> At(const MeasureValues& values, Measure measure) {
  return values[static_cast<size_t>(measure)];
}
const Estimate& At(const Estimates& estimates, Measure measure) {
  return estimates[static_cast<size_t>(measure)];
}

struct RandomRows {
  std::vector<float> predictions;
  std::vector<float> labels;
  std::vector<float> weights;

  explicit RandomRows(size_t rows, uint64_t seed = 1) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<float> uniform;
    for (size_t i = 0; i < rows; ++i) {
      predictions.push_back(std::round(uniform(random) * 50.0F) / 51.0F + 0.005F);  // with ties
      labels.push_back(uniform(random) < predictions.back() ? 1.0F : 0.0F);
      weights.push_back(std::floor(uniform(random) * 4.0F));
    }
  }
  ScoredView view() const { return {predictions, labels, weights}; }
};

void ExpectMetrics(const MeasureValues& values, const Metrics& metrics) {
  EXPECT_NEAR(*At(values, Measure::kRmse), *metrics.rmse, 1e-9);
  EXPECT_NEAR(*At(values, Measure::kCalibration), *metrics.calibration, 1e-9);
  EXPECT_NEAR(*At(values, Measure::kLogloss), *metrics.logloss, 1e-7);
  EXPECT_NEAR(*At(values, Measure::kAuc), *metrics.auc, 1e-9);
  EXPECT_NEAR(*At(values, Measure::kNormalizedEntropy), *metrics.normalized_entropy, 1e-7);
}

TEST(MeasureComputerTest, MeasuresAsEvalDoes) {
  const RandomRows rows(500);
  const std::vector<uint32_t> order = OrderByPrediction(rows.view());
  const MeasureComputer computer(Task::kBinary, rows.view(), order);
  ExpectMetrics(computer.Compute({}),
                ComputeMetrics(Task::kBinary, rows.predictions, rows.labels, rows.weights));
}

TEST(MeasureComputerTest, ARowThatCountsTwiceIsThereTwice) {
  const RandomRows rows(200);
  const std::vector<uint32_t> order = OrderByPrediction(rows.view());
  std::vector<uint8_t> multiplicities;
  std::vector<float> predictions;
  std::vector<float> labels;
  std::vector<float> weights;
  for (size_t i = 0; i < 200; ++i) {
    multiplicities.push_back(static_cast<uint8_t>(i % 3));
    for (size_t copy = 0; copy < i % 3; ++copy) {
      predictions.push_back(rows.predictions[i]);
      labels.push_back(rows.labels[i]);
      weights.push_back(rows.weights[i]);
    }
  }
  const MeasureComputer computer(Task::kBinary, rows.view(), order);
  ExpectMetrics(computer.Compute(multiplicities),
                ComputeMetrics(Task::kBinary, predictions, labels, weights));
}

TEST(MeasureComputerTest, RegressionHasErrorsAlone) {
  const std::vector<float> predictions = {1, 2, 4};
  const std::vector<float> labels = {1, 4, 3};
  const ScoredView view{predictions, labels, {}};
  const std::vector<uint32_t> order = OrderByPrediction(view);
  const MeasureValues values = MeasureComputer(Task::kRegression, view, order).Compute({});
  EXPECT_DOUBLE_EQ(*At(values, Measure::kMeanAbsoluteError), 1.0);
  EXPECT_DOUBLE_EQ(*At(values, Measure::kRmse), std::sqrt(5.0 / 3));
  EXPECT_DOUBLE_EQ(*At(values, Measure::kCalibration), 7.0 / 8);
  EXPECT_FALSE(At(values, Measure::kLogloss).has_value());
  EXPECT_FALSE(At(values, Measure::kAuc).has_value());
}

TEST(MeasureComputerTest, NoAucWhereAllLabelsAreAlike) {
  const std::vector<float> predictions = {0.5F, 0.2F};
  const std::vector<float> labels = {0, 0};
  const ScoredView view{predictions, labels, {}};
  const std::vector<uint32_t> order = OrderByPrediction(view);
  const MeasureValues values = MeasureComputer(Task::kBinary, view, order).Compute({});
  EXPECT_FALSE(At(values, Measure::kAuc).has_value());
  EXPECT_FALSE(At(values, Measure::kCalibration).has_value());
  EXPECT_TRUE(At(values, Measure::kLogloss).has_value());
}

TEST(BootstrapTest, TheIntervalOfAMeanIsTheOneOfTheTextbook) {
  // The mean label of 1000 rows, of which 300 are 1: 0.3 +- 1.96 * sqrt(0.21 / 1000). Predictions
  // of 1 make the calibration ratio 1 / mean, and the absolute error 1 - mean.
  std::vector<float> predictions(1000, 1.0F);
  std::vector<float> labels(1000, 0.0F);
  for (size_t i = 0; i < 300; ++i) labels[i] = 1.0F;
  const ScoredView view{predictions, labels, {}};
  const std::vector<uint32_t> order = OrderByPrediction(view);
  const MeasureComputer computer(Task::kRegression, view, order);
  const BootstrapResult result = Bootstrap(computer, nullptr, 1000, 4000, 1);
  const Estimate& error = At(result.first, Measure::kMeanAbsoluteError);
  EXPECT_DOUBLE_EQ(*error.value, 0.7);
  const double half = 1.96 * std::sqrt(0.21 / 1000);
  EXPECT_NEAR(error.interval->low, 0.7 - half, 0.1 * half);
  EXPECT_NEAR(error.interval->high, 0.7 + half, 0.1 * half);
  EXPECT_FALSE(At(result.second, Measure::kRmse).value.has_value());
}

TEST(BootstrapTest, DifferencesArePaired) {
  const RandomRows rows(2000);
  std::vector<float> better = rows.predictions;
  for (size_t i = 0; i < better.size(); ++i) better[i] += 0.02F * (rows.labels[i] - better[i]);
  const ScoredView first = rows.view();
  const ScoredView second{better, rows.labels, rows.weights};
  const std::vector<uint32_t> first_order = OrderByPrediction(first);
  const std::vector<uint32_t> second_order = OrderByPrediction(second);
  const MeasureComputer first_computer(Task::kBinary, first, first_order);
  const MeasureComputer second_computer(Task::kBinary, second, second_order);
  const BootstrapResult result = Bootstrap(first_computer, &second_computer, 2000, 300, 1);
  const Estimate& of_first = At(result.first, Measure::kLogloss);
  const Estimate& difference = At(result.differences, Measure::kLogloss);
  EXPECT_NEAR(*difference.value, *At(result.second, Measure::kLogloss).value - *of_first.value,
              1e-12);
  EXPECT_LT(difference.interval->high, 0.0) << "a small but sure gain";
  EXPECT_GT(of_first.interval->high - of_first.interval->low,
            3 * (difference.interval->high - difference.interval->low));
}

TEST(BootstrapTest, OneSeedOneResult) {
  const RandomRows rows(300);
  const std::vector<uint32_t> order = OrderByPrediction(rows.view());
  const MeasureComputer computer(Task::kBinary, rows.view(), order);
  const auto low = [&](uint64_t seed) {
    return At(Bootstrap(computer, nullptr, 300, 50, seed).first, Measure::kAuc).interval->low;
  };
  EXPECT_EQ(low(7), low(7));
  EXPECT_NE(low(7), low(8));
}

TEST(PercentileIntervalTest, InterpolatesBetweenValues) {
  std::vector<double> values;
  for (int i = 40; i >= 0; --i) values.push_back(i);
  const Interval interval = PercentileInterval(values).value();
  EXPECT_DOUBLE_EQ(interval.low, 1.0);
  EXPECT_DOUBLE_EQ(interval.high, 39.0);
  EXPECT_FALSE(PercentileInterval({1.0}).has_value());
}

}  // namespace
}  // namespace fmserve::trainer
