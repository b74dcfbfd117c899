#include "loader/score_comparison.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace fmserve::loader {
namespace {

constexpr size_t kBins = 10;
// Of a decile that one version leaves empty, so that the logarithm stays finite: half a candidate.
constexpr double kEmptyBinCount = 0.5;
// A float cannot come closer to 1.
constexpr double kSmallestProbability = 1e-7;

double Logit(double probability) {
  const double p = std::clamp(probability, kSmallestProbability, 1.0 - kSmallestProbability);
  return std::log(p / (1.0 - p));
}

}  // namespace

ScoreComparison::ScoreComparison(bool of_probabilities) {
  comparison_.of_probabilities = of_probabilities;
}

void ScoreComparison::AddRequest(std::span<const float> serving, std::span<const float> candidate) {
  ++comparison_.requests_count;
  finite_serving_.clear();
  finite_candidate_.clear();
  for (size_t i = 0; i < serving.size(); ++i) {
    if (!std::isfinite(serving[i])) continue;
    if (!std::isfinite(candidate[i])) {
      ++comparison_.non_finite_count;
      continue;
    }
    AddPair(serving[i], candidate[i]);
    finite_serving_.push_back(serving[i]);
    finite_candidate_.push_back(candidate[i]);
  }
  if (finite_serving_.size() >= 2) AddRanks();
}

void ScoreComparison::AddPair(float serving, float candidate) {
  const auto n = static_cast<double>(++comparison_.candidates_count);
  comparison_.serving_mean += (serving - comparison_.serving_mean) / n;
  comparison_.candidate_mean += (candidate - comparison_.candidate_mean) / n;
  const bool logits = comparison_.of_probabilities;
  const double old_value = logits ? Logit(serving) : serving;
  const double new_value = logits ? Logit(candidate) : candidate;
  const double old_distance = old_value - mean_serving_;
  const double new_distance = new_value - mean_candidate_;
  mean_serving_ += old_distance / n;
  mean_candidate_ += new_distance / n;
  squares_serving_ += old_distance * (old_value - mean_serving_);
  squares_candidate_ += new_distance * (new_value - mean_candidate_);
  products_ += old_distance * (new_value - mean_candidate_);
  const Pair pair = {static_cast<float>(old_value), static_cast<float>(new_value)};
  if (sample_.size() < kSampledPairs) {
    sample_.push_back(pair);
    return;
  }
  const uint64_t place = random_() % comparison_.candidates_count;
  if (place < kSampledPairs) sample_[place] = pair;
}

void ScoreComparison::AddRanks() {
  const bool same_top1 = SameTop1(finite_serving_, finite_candidate_);
  const size_t count = finite_serving_.size();
  const size_t ranked = std::min(count, kRankedCandidates);
  for (size_t i = 0; i < ranked; ++i) {
    finite_serving_[i] = finite_serving_[i * count / ranked];
    finite_candidate_[i] = finite_candidate_[i * count / ranked];
  }
  const std::optional<double> tau = ranks_.KendallTau(std::span(finite_serving_).first(ranked),
                                                      std::span(finite_candidate_).first(ranked));
  if (!tau) return;
  ++comparison_.ranked_requests_count;
  tau_sum_ += *tau;
  if (same_top1) top1_sum_ += 1.0;
}

void ScoreComparison::SetUnknown(std::string field, uint64_t features_count,
                                 uint64_t serving_unknown, uint64_t candidate_unknown) {
  if (features_count == 0) return;
  const auto count = static_cast<double>(features_count);
  comparison_.unknown.push_back({.field = std::move(field),
                                 .serving = static_cast<double>(serving_unknown) / count,
                                 .candidate = static_cast<double>(candidate_unknown) / count,
                                 .serving_known_count = features_count - serving_unknown});
}

std::optional<double> ScoreComparison::Psi() const {
  std::vector<float> serving;
  serving.reserve(sample_.size());
  for (const Pair& pair : sample_) serving.push_back(pair.serving);
  std::ranges::sort(serving);
  size_t distinct = 1;
  for (size_t i = 1; i < serving.size(); ++i) distinct += serving[i] != serving[i - 1] ? 1U : 0U;
  if (distinct < kMinDistinct) return std::nullopt;
  std::array<float, kBins - 1> edges = {};
  for (size_t i = 0; i < edges.size(); ++i) edges[i] = serving[(i + 1) * serving.size() / kBins];
  std::array<double, kBins> old_counts = {};
  std::array<double, kBins> new_counts = {};
  const auto bin_of = [&](float value) {
    return static_cast<size_t>(std::ranges::upper_bound(edges, value) - edges.begin());
  };
  for (const Pair& pair : sample_) {
    ++old_counts[bin_of(pair.serving)];
    ++new_counts[bin_of(pair.candidate)];
  }
  double psi = 0.0;
  const auto count = static_cast<double>(sample_.size());
  for (size_t i = 0; i < kBins; ++i) {
    if (old_counts[i] == 0.0 && new_counts[i] == 0.0) continue;  // deciles that many alike span
    const double p = std::max(old_counts[i], kEmptyBinCount) / count;
    const double q = std::max(new_counts[i], kEmptyBinCount) / count;
    psi += (q - p) * std::log(q / p);
  }
  return psi;
}

Comparison ScoreComparison::Finish() const {
  Comparison result = comparison_;
  if (result.candidates_count == 0) return result;
  const auto count = static_cast<double>(result.candidates_count);
  result.psi = Psi();
  const double stddev = std::sqrt(squares_serving_ / count);
  const double shift = mean_candidate_ - mean_serving_;
  result.shift = result.of_probabilities || stddev == 0.0 ? shift : shift / stddev;
  if (squares_serving_ > 0.0) {
    result.correlation =
        squares_candidate_ > 0.0
            ? products_ / (std::sqrt(squares_serving_) * std::sqrt(squares_candidate_))
            : 0.0;
  }
  if (result.ranked_requests_count > 0) {
    const auto ranked = static_cast<double>(result.ranked_requests_count);
    result.top1_agreement = top1_sum_ / ranked;
    result.kendall_tau = tau_sum_ / ranked;
  }
  return result;
}

}  // namespace fmserve::loader
