#include "tools/generate/hidden_model.h"

#include <cmath>
#include <random>

namespace fmserve::tools {

const HiddenModel::Weights& HiddenModel::WeightsOf(uint64_t key, uint8_t field) {
  auto [entry, is_new] = weights_.try_emplace(key);
  Weights& weights = entry->second;
  if (is_new) {
    std::mt19937_64 random(key ^ seed_);
    std::normal_distribution<float> normal;
    weights.w = spreads_[field].linear * normal(random);
    for (float& v : weights.v) v = spreads_[field].factor * normal(random);
  }
  return weights;
}

double HiddenModel::Score(const model::FeatureSpan& features) {
  std::array<double, kFactors> sums = {};
  double score = 0.0;
  for (size_t i = 0; i < features.size(); ++i) {
    const double x = features.xs[i];
    const Weights& weights = WeightsOf(features.keys[i], features.fields[i]);
    score += weights.w * x;
    for (int f = 0; f < kFactors; ++f) {
      score += x * weights.v[f] * sums[f];
      sums[f] += x * weights.v[f];
    }
  }
  return score;
}

double InterceptFor(const std::vector<double>& scores, double ctr) {
  double low = -50.0;
  double high = 50.0;
  for (int step = 0; step < 60; ++step) {
    const double middle = (low + high) / 2;
    double sum = 0.0;
    for (double score : scores) sum += 1.0 / (1.0 + std::exp(-(score + middle)));
    (sum < ctr * static_cast<double>(scores.size()) ? low : high) = middle;
  }
  return low;
}

}  // namespace fmserve::tools
