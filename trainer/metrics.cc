#include "trainer/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace fmserve::trainer {
namespace {

double MeanLogloss(std::span<const float> predictions, std::span<const float> labels) {
  constexpr double kLowest = 1e-15;
  constexpr double kHighest = 1.0 - 0x1p-25;  // what a float of 1 may have been rounded from
  double sum = 0.0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const double p = std::clamp(double{predictions[i]}, kLowest, kHighest);
    sum -= labels[i] > 0.5F ? std::log(p) : std::log1p(-p);
  }
  return sum / static_cast<double>(labels.size());
}

// The Mann-Whitney statistic: positives' ranks among all predictions, tied ones sharing their mean
// rank.
double AreaUnderCurve(std::span<const float> predictions, std::span<const float> labels,
                      double positives) {
  std::vector<uint32_t> order(labels.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return predictions[a] < predictions[b]; });
  double positive_ranks = 0.0;
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    double positives_here = 0.0;
    while (end < order.size() && predictions[order[end]] == predictions[order[begin]]) {
      positives_here += labels[order[end]] > 0.5F;
      ++end;
    }
    const double mean_rank = 0.5 * static_cast<double>(begin + 1 + end);
    positive_ranks += positives_here * mean_rank;
    begin = end;
  }
  const double negatives = static_cast<double>(labels.size()) - positives;
  return (positive_ranks - positives * (positives + 1.0) / 2.0) / (positives * negatives);
}

double Entropy(double p) { return -p * std::log(p) - (1.0 - p) * std::log1p(-p); }

}  // namespace

Metrics ComputeMetrics(model::Task task, std::span<const float> predictions,
                       std::span<const float> labels) {
  Metrics metrics;
  metrics.rows = labels.size();
  if (labels.empty()) return metrics;
  const double rows = static_cast<double>(labels.size());
  double predicted = 0.0;
  double observed = 0.0;
  double squared_error = 0.0;
  bool any_nan = false;
  for (size_t i = 0; i < labels.size(); ++i) {
    const double error = double{predictions[i]} - labels[i];
    predicted += predictions[i];
    observed += labels[i];
    squared_error += error * error;
    any_nan = any_nan || std::isnan(predictions[i]);
  }
  metrics.rmse = std::sqrt(squared_error / rows);
  if (observed != 0.0) metrics.calibration = predicted / observed;
  if (task == model::Task::kBinary) {
    metrics.logloss = MeanLogloss(predictions, labels);
    if (observed > 0.0 && observed < rows && !any_nan) {
      metrics.auc = AreaUnderCurve(predictions, labels, observed);
      metrics.normalized_entropy = *metrics.logloss / Entropy(observed / rows);
    }
  }
  return metrics;
}

double Loss(model::Task task, const Metrics& metrics) {
  return (task == model::Task::kBinary ? metrics.logloss : metrics.rmse).value_or(0.0);
}

}  // namespace fmserve::trainer
