// What the scans of all instruction sets have in common. All of it is inlined and static, so that
// nothing of it can end up in code that runs everywhere (README.md).
#ifndef FMSERVE_MODEL_KERNELS_SCAN_LOOP_H_
#define FMSERVE_MODEL_KERNELS_SCAN_LOOP_H_

#include <cstddef>
#include <cstdint>

#include "model/kernels/scan.h"

namespace fmserve::model {

// The 16 bits of a block in a filter.
[[gnu::always_inline]] static inline uint32_t Wanted(const uint64_t* filter, uint32_t block) {
  return filter == nullptr ? 0xffff : (filter[block / 4] >> (block % 4 * 16)) & 0xffff;
}

// Writes the items of `mask` to `hits`; returns how many.
[[gnu::always_inline]] static inline size_t AddHits(uint32_t mask, uint32_t first_item,
                                                    const int32_t* products, ScanHit* hits) {
  size_t count = 0;
  for (; mask != 0; mask &= mask - 1) {
    const auto i = static_cast<uint32_t>(__builtin_ctz(mask));
    hits[count++] = {.item = first_item + i, .product = products[i]};
  }
  return count;
}

// A scan (scan.h), of which `score_block` does the arithmetic: score_block(block, next, products)
// writes the products of 16 items and returns which of them are hits, bit i for item i. Meanwhile
// it asks memory for as many bytes at `next` as a block has: of the block that much ahead, if it is
// wanted.
template <typename ScoreBlock>
[[gnu::always_inline]] static inline size_t ScanLoop(const ScanContext& context,
                                                     const ScanGroup& group, const uint64_t* filter,
                                                     ScanHit* hits, const ScoreBlock& score_block) {
  const size_t block_bytes = sizeof(ScanBlockHead) + context.pairs_count * kScanPairBytes;
  const auto ahead = static_cast<uint32_t>(kScanPrefetchBytes / block_bytes + 1);
  const std::byte* block = group.blocks;
  size_t hits_count = 0;
  for (uint32_t b = 0; b < group.blocks_count; ++b, block += block_bytes) {
    const uint32_t wanted = Wanted(filter, b);
    if (wanted == 0) continue;
    const bool next_wanted =
        filter == nullptr || (b + ahead < group.blocks_count && Wanted(filter, b + ahead) != 0);
    alignas(64) int32_t products[kScanBlockItems];
    const uint32_t mask =
        wanted & score_block(block, next_wanted ? block + ahead * block_bytes : block, products);
    hits_count +=
        AddHits(mask, group.first_item + b * kScanBlockItems, products, hits + hits_count);
  }
  return hits_count;
}

// Into L2, of which a core can wait for more lines than of L1.
[[gnu::always_inline]] static inline void PrefetchRow(const std::byte* row, size_t row_bytes) {
  for (size_t i = 0; i < row_bytes; i += 64) __builtin_prefetch(row + i, /*for reading*/ 0, 2);
  __builtin_prefetch(row + row_bytes - 1, /*for reading*/ 0, 2);
}

// A refinement (scan.h), of which `sum_row` does the arithmetic: sum_row(row) is the sum of p times
// the nibbles of a row.
template <typename SumRow>
[[gnu::always_inline]] static inline void RefineLoop(const ScanContext& context,
                                                     const std::byte* rows, ScanHit* hits,
                                                     size_t hits_count, const SumRow& sum_row) {
  const size_t row_bytes = context.pairs_count * kScanRowPairBytes;
  for (size_t n = 0; n < hits_count && n < kScanRowsAhead; ++n)
    PrefetchRow(rows + hits[n].item * row_bytes, row_bytes);
  for (size_t n = 0; n < hits_count; ++n) {
    if (n + kScanRowsAhead < hits_count)
      PrefetchRow(rows + hits[n + kScanRowsAhead].item * row_bytes, row_bytes);
    hits[n].product += context.low_offset + sum_row(rows + hits[n].item * row_bytes);
  }
}

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_KERNELS_SCAN_LOOP_H_
