// Items and a context as plain numbers, and what the scan makes of them, for its tests.
#ifndef FMSERVE_TESTS_MODEL_SCAN_PROBLEM_H_
#define FMSERVE_TESTS_MODEL_SCAN_PROBLEM_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "model/scan_blocks.h"

namespace fmserve::model {

// A score that all items reach.
inline constexpr double kAnyScore = -std::numeric_limits<double>::infinity();

struct ScanProblem {
  uint32_t k = 1;
  std::vector<float> vectors;  // PaddedK(k) per item
  std::vector<double> biases;
  std::vector<float> sums;  // PaddedK(k)

  std::span<const float> vector(size_t item) const {
    return std::span(vectors).subspan(item * PaddedK(k), PaddedK(k));
  }
};

// All of it zero.
ScanProblem MakeProblem(uint32_t k, uint32_t items_count);

ScanBlocks Encoded(const ScanProblem& problem);

// The hits of the first group, by the high halves alone.
std::vector<ScanHit> HitsOf(const ScanBlocks& blocks, const ScanContext& context,
                            const KernelTable& kernels, double least,
                            const uint64_t* filter = nullptr);

// The same by both halves.
std::vector<ScanHit> Refined(const ScanBlocks& blocks, const ScanContext& context,
                             const KernelTable& kernels, std::vector<ScanHit> hits);

bool Contains(const std::vector<ScanHit>& hits, uint32_t item);

}  // namespace fmserve::model

#endif  // FMSERVE_TESTS_MODEL_SCAN_PROBLEM_H_
