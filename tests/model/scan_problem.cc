#include "tests/model/scan_problem.h"

#include <algorithm>

namespace fmserve::model {

ScanProblem MakeProblem(uint32_t k, uint32_t items_count) {
  return {.k = k,
          .vectors = std::vector<float>(items_count * PaddedK(k)),
          .biases = std::vector<double>(items_count),
          .sums = std::vector<float>(PaddedK(k))};
}

ScanBlocks Encoded(const ScanProblem& problem) {
  const auto items_count = static_cast<uint32_t>(problem.biases.size());
  ScanBlocks blocks = ScanBlocks::Allocate(items_count, problem.k).value();
  for (uint32_t b = 0; b < blocks.blocks_count(); ++b) {
    const size_t first = size_t{b} * kScanBlockItems;
    const size_t count = blocks.ItemsOf(b);
    blocks.Encode(
        b,
        std::span(problem.vectors).subspan(first * PaddedK(problem.k), count * PaddedK(problem.k)),
        std::span(problem.biases).subspan(first, count));
  }
  blocks.Finish();
  return blocks;
}

std::vector<ScanHit> HitsOf(const ScanBlocks& blocks, const ScanContext& context,
                            const KernelTable& kernels, double least, const uint64_t* filter) {
  std::vector<ScanHit> hits(kScanGroupItems);
  hits.resize(kernels.scan(context, blocks.group(0), filter, blocks.ThresholdFor(context, 0, least),
                           hits.data()));
  return hits;
}

std::vector<ScanHit> Refined(const ScanBlocks& blocks, const ScanContext& context,
                             const KernelTable& kernels, std::vector<ScanHit> hits) {
  kernels.refine(context, blocks.rows(), hits.data(), hits.size());
  return hits;
}

bool Contains(const std::vector<ScanHit>& hits, uint32_t item) {
  return std::any_of(hits.begin(), hits.end(),
                     [&](const ScanHit& hit) { return hit.item == item; });
}

}  // namespace fmserve::model
