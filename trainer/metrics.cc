#include "trainer/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace fmserve::trainer {
namespace {

// What a row weighs when there may be no weights.
class Weights {
 public:
  explicit Weights(std::span<const float> weights) : weights_(weights) {}
  double operator[](size_t row) const { return weights_.empty() ? 1.0 : double{weights_[row]}; }

 private:
  std::span<const float> weights_;
};

double SumOfLogloss(std::span<const float> predictions, std::span<const float> labels,
                    const Weights& weights) {
  constexpr double kLowest = 1e-15;
  constexpr double kHighest = 1.0 - 0x1p-25;  // what a float of 1 may have been rounded from
  double sum = 0.0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const double p = std::clamp(double{predictions[i]}, kLowest, kHighest);
    sum -= weights[i] * (labels[i] > 0.5F ? std::log(p) : std::log1p(-p));
  }
  return sum;
}

// The Mann-Whitney statistic: each positive, with the negatives below it and half of those that tie
// with it.
double AreaUnderCurve(std::span<const float> predictions, std::span<const float> labels,
                      const Weights& weights, double positives, double negatives) {
  std::vector<uint32_t> order(labels.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return predictions[a] < predictions[b]; });
  double pairs = 0.0;
  double negatives_below = 0.0;
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    double positives_here = 0.0;
    double negatives_here = 0.0;
    while (end < order.size() && predictions[order[end]] == predictions[order[begin]]) {
      (labels[order[end]] > 0.5F ? positives_here : negatives_here) += weights[order[end]];
      ++end;
    }
    pairs += positives_here * (negatives_below + 0.5 * negatives_here);
    negatives_below += negatives_here;
    begin = end;
  }
  return pairs / (positives * negatives);
}

double Entropy(double p) { return -p * std::log(p) - (1.0 - p) * std::log1p(-p); }

}  // namespace

Metrics ComputeMetrics(model::Task task, std::span<const float> predictions,
                       std::span<const float> labels, std::span<const float> row_weights) {
  Metrics metrics;
  metrics.rows = labels.size();
  const Weights weights(row_weights);
  double total = 0.0;
  double predicted = 0.0;
  double observed = 0.0;
  double squared_error = 0.0;
  bool any_nan = false;
  for (size_t i = 0; i < labels.size(); ++i) {
    const double error = double{predictions[i]} - labels[i];
    total += weights[i];
    predicted += weights[i] * predictions[i];
    observed += weights[i] * labels[i];
    squared_error += weights[i] * error * error;
    any_nan = any_nan || std::isnan(predictions[i]);
  }
  if (total == 0.0) return metrics;
  metrics.rmse = std::sqrt(squared_error / total);
  if (observed != 0.0) metrics.calibration = predicted / observed;
  if (task == model::Task::kBinary) {
    metrics.logloss = SumOfLogloss(predictions, labels, weights) / total;
    if (observed > 0.0 && observed < total && !any_nan) {
      metrics.auc = AreaUnderCurve(predictions, labels, weights, observed, total - observed);
      metrics.normalized_entropy = *metrics.logloss / Entropy(observed / total);
    }
  }
  return metrics;
}

double Loss(model::Task task, const Metrics& metrics) {
  return (task == model::Task::kBinary ? metrics.logloss : metrics.rmse).value_or(0.0);
}

}  // namespace fmserve::trainer
