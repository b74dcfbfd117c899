// Whether two lists of scores put the same things in the same order.
#ifndef FMSERVE_LOADER_RANK_AGREEMENT_H_
#define FMSERVE_LOADER_RANK_AGREEMENT_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace fmserve::loader {

// Keeps its memory for the next lists. One thread.
class RankAgreement {
 public:
  // Kendall's tau-b (ties count for neither order) of finite scores of equal size: 1 the same
  // order, -1 the opposite. In O(n log n) by counting the exchanges of a merge sort (Knight, "A
  // computer method for calculating Kendall's tau with ungrouped data", JASA 1966). Nothing when
  // all of `serving` are alike; 0 when only all of `candidate` are.
  std::optional<double> KendallTau(std::span<const float> serving,
                                   std::span<const float> candidate);

 private:
  struct Pair {
    float serving;
    float candidate;
  };

  // Sorts `pairs_` in [begin, end) by candidate; returns how many pairs stood the other way round.
  uint64_t SortByCandidate(size_t begin, size_t end);

  std::vector<Pair> pairs_;
  std::vector<Pair> merged_;
};

// Whether the best of one list is a best of the other. Not empty, of equal size.
bool SameTop1(std::span<const float> serving, std::span<const float> candidate);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_RANK_AGREEMENT_H_
