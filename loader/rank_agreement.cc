#include "loader/rank_agreement.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace fmserve::loader {
namespace {

uint64_t PairsOf(uint64_t n) { return n * (n - 1) / 2; }

// Pairs within runs of equal elements of a sorted list.
template <typename List, typename Equal>
uint64_t CountTies(const List& sorted, Equal equal) {
  uint64_t ties = 0;
  for (size_t begin = 0, i = 1; i <= sorted.size(); ++i) {
    if (i < sorted.size() && equal(sorted[begin], sorted[i])) continue;
    ties += PairsOf(i - begin);
    begin = i;
  }
  return ties;
}

}  // namespace

std::optional<double> RankAgreement::KendallTau(std::span<const float> serving,
                                                std::span<const float> candidate) {
  const size_t n = serving.size();
  pairs_.resize(n);
  merged_.resize(n);
  for (size_t i = 0; i < n; ++i) pairs_[i] = {serving[i], candidate[i]};
  std::ranges::sort(pairs_, [](const Pair& a, const Pair& b) {
    return a.serving != b.serving ? a.serving < b.serving : a.candidate < b.candidate;
  });
  const auto same_serving = [](const Pair& a, const Pair& b) { return a.serving == b.serving; };
  const auto same_candidate = [](const Pair& a, const Pair& b) {
    return a.candidate == b.candidate;
  };
  const uint64_t all = n == 0 ? 0 : PairsOf(n);
  const uint64_t serving_ties = CountTies(pairs_, same_serving);
  const uint64_t both_ties = CountTies(pairs_, [&](const Pair& a, const Pair& b) {
    return same_serving(a, b) && same_candidate(a, b);
  });
  if (serving_ties == all) return std::nullopt;
  const uint64_t exchanges = SortByCandidate(0, n);
  const uint64_t candidate_ties = CountTies(pairs_, same_candidate);
  if (candidate_ties == all) return 0.0;
  const double concordant_minus_discordant =
      static_cast<double>(all - serving_ties - candidate_ties + both_ties) -
      2.0 * static_cast<double>(exchanges);
  return concordant_minus_discordant / std::sqrt(static_cast<double>(all - serving_ties) *
                                                 static_cast<double>(all - candidate_ties));
}

uint64_t RankAgreement::SortByCandidate(size_t begin, size_t end) {
  if (end - begin < 2) return 0;
  const size_t middle = begin + (end - begin) / 2;
  uint64_t exchanges = SortByCandidate(begin, middle) + SortByCandidate(middle, end);
  size_t left = begin;
  size_t right = middle;
  for (size_t out = begin; out < end; ++out) {
    const bool take_right =
        left == middle || (right < end && pairs_[right].candidate < pairs_[left].candidate);
    if (take_right) exchanges += middle - left;
    merged_[out] = pairs_[take_right ? right++ : left++];
  }
  const auto first = static_cast<std::ptrdiff_t>(begin);
  std::copy(merged_.begin() + first, merged_.begin() + static_cast<std::ptrdiff_t>(end),
            pairs_.begin() + first);
  return exchanges;
}

bool SameTop1(std::span<const float> serving, std::span<const float> candidate) {
  const auto best = [](std::span<const float> scores) {
    return static_cast<size_t>(std::ranges::max_element(scores) - scores.begin());
  };
  const size_t serving_best = best(serving);
  const size_t candidate_best = best(candidate);
  return candidate[serving_best] == candidate[candidate_best] ||
         serving[serving_best] == serving[candidate_best];
}

}  // namespace fmserve::loader
