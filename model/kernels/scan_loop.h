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

// Writes the items of `mask` to `hits` and asks memory for their rows; returns how many.
[[gnu::always_inline]] static inline size_t AddHits(uint32_t mask, uint32_t first_item,
                                                    const int32_t* products, const std::byte* rows,
                                                    size_t row_bytes, ScanHit* hits) {
  size_t count = 0;
  for (; mask != 0; mask &= mask - 1) {
    const auto i = static_cast<uint32_t>(__builtin_ctz(mask));
    hits[count++] = {.item = first_item + i, .product = products[i]};
    const std::byte* const row = rows + (first_item + i) * row_bytes;
    __builtin_prefetch(row);
    __builtin_prefetch(row + row_bytes - 1);
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
  const size_t row_bytes = context.pairs_count * kScanRowPairBytes;
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
    if (mask == 0) continue;
    hits_count +=
        AddHits(mask, b * kScanBlockItems, products, group.rows, row_bytes, hits + hits_count);
  }
  return hits_count;
}

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_KERNELS_SCAN_LOOP_H_
