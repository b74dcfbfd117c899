#include "model/top_candidates.h"

#include <algorithm>
#include <cassert>
#include <functional>

namespace fmserve::model {
namespace {

// Few enough that the threshold follows the scan closely, enough that pruning costs little.
constexpr size_t kSpareCandidates = 256;

}  // namespace

void TopCandidates::Reset(size_t k, size_t burst) {
  k_ = k;
  capacity_ = 2 * k + kSpareCandidates;
  threshold_ = -std::numeric_limits<double>::infinity();
  candidates_.clear();
  candidates_.reserve(capacity_ + burst);
  lowers_.reserve(capacity_ + burst);
}

void TopCandidates::Add(const Candidate& candidate) { candidates_.push_back(candidate); }

bool TopCandidates::Prune() {
  if (candidates_.size() < k_ || k_ == 0) return true;
  lowers_.clear();
  for (const Candidate& candidate : candidates_) lowers_.push_back(candidate.lower);
  const auto kth = lowers_.begin() + static_cast<ptrdiff_t>(k_ - 1);
  std::nth_element(lowers_.begin(), kth, lowers_.end(), std::greater<>());
  threshold_ = std::max(threshold_, *kth);
  std::erase_if(candidates_, [&](const Candidate& c) { return c.upper < threshold_; });
  return candidates_.size() <= (k_ + capacity_) / 2;
}

void TopCandidates::KeepBest() {
  const auto better = [](const Candidate& a, const Candidate& b) {
    assert(a.exact && b.exact);
    return a.lower != b.lower ? a.lower > b.lower : a.item < b.item;
  };
  const size_t kept = std::min(k_, candidates_.size());
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<ptrdiff_t>(kept),
                    candidates_.end(), better);
  candidates_.resize(kept);
  if (kept == k_ && k_ > 0) threshold_ = std::max(threshold_, candidates_.back().lower);
}

}  // namespace fmserve::model
