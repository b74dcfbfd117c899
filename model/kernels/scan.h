// The scan of a catalogue in int8, and the functions of each instruction set. Plain types only, as
// in accumulate.h (README.md).
//
// Items lie in blocks of 16, blocks in groups of at most 64, and a group is read from its first
// byte to its last (scan_blocks.h makes them):
//
//   ScanBlockHeader headers[kScanGroupBlocks]         of the blocks, unused ones included
//   per block: uint8_t items[quads][16][4]            factors 4j to 4j+3 of the 16 items, each +
//   128
//              float biases[16]
#ifndef FMSERVE_MODEL_KERNELS_SCAN_H_
#define FMSERVE_MODEL_KERNELS_SCAN_H_

#include <cstddef>
#include <cstdint>

namespace fmserve::model {

inline constexpr uint32_t kScanBlockItems = 16;
inline constexpr uint32_t kScanGroupBlocks = 64;
inline constexpr uint32_t kScanGroupItems = kScanBlockItems * kScanGroupBlocks;
// How far ahead of the scan memory is asked for. Processors ask by themselves for what follows, but
// not beyond a page of 4 KB; nothing is read that the scan would not come to, or soon (README.md).
inline constexpr size_t kScanPrefetchBytes = 8192;
inline constexpr uint32_t kScanMaxQuads = 64;  // groups of four factors: kMaxK / 4

// Of a block: an item's factor is scale * (stored - 128), give or take.
struct ScanBlockHeader {
  float scale;
  float stored_norm;    // at least the norm of what is stored, scaled, of each item
  float residual_norm;  // at least the norm of what storing lost, of each item
  float bias_error;     // at least what the biases are wrong by, and slack for roundings
};
inline constexpr size_t kScanHeadersBytes = sizeof(ScanBlockHeader) * kScanGroupBlocks;

// A context in int8: its factor is scale * p, give or take. Each word holds four factors of it.
struct ScanContext {
  uint32_t quads_count;
  float scale;
  float stored_norm_factor;       // a score may be wrong by stored_norm * this
  float residual_norm_factor;     // + residual_norm * this + bias_error
  int32_t offset;                 // -128 * sum of all p
  uint32_t quads[kScanMaxQuads];  // int8 p[4j], p[4j+1], p[4j+2], p[4j+3]
  uint32_t evens[kScanMaxQuads];  // int16 p[4j], p[4j+2]
  uint32_t odds[kScanMaxQuads];   // int16 p[4j+1], p[4j+3]
};

// A block with items that may reach the threshold.
struct ScanHit {
  alignas(64) float scores[kScanBlockItems];  // of the items in `mask`, each +- error
  float error;
  uint32_t block;  // in the group
  uint32_t mask;   // bit i: item i
};

// Scores the first `blocks_count` blocks of a group, 1 to kScanGroupBlocks, and writes to `hits`
// those with an item whose score is not below threshold - error, in order; returns how many.
//
//   score = context.scale * header.scale * sum_f p_f (stored_f - 128) + bias
//
// rounded to float once after the multiplication of the scales, and once or twice after that: the
// integers are exact in every implementation. `filter` is null or 16 bits per block, the first
// block's lowest: items that are not in it are no hits, and blocks without any are not read. A
// score that is not a number is a hit. `group` is 64-byte aligned. `hits` has room for all.
using ScanFn = size_t (*)(const ScanContext& context, const std::byte* group, uint32_t blocks_count,
                          const uint64_t* filter, float threshold, ScanHit* hits);

namespace scalar {
size_t ScanGroup(const ScanContext& context, const std::byte* group, uint32_t blocks_count,
                 const uint64_t* filter, float threshold, ScanHit* hits);
}  // namespace scalar

namespace avx2 {
size_t ScanGroup(const ScanContext& context, const std::byte* group, uint32_t blocks_count,
                 const uint64_t* filter, float threshold, ScanHit* hits);
}  // namespace avx2

namespace avx512 {
size_t ScanGroup(const ScanContext& context, const std::byte* group, uint32_t blocks_count,
                 const uint64_t* filter, float threshold, ScanHit* hits);
}  // namespace avx512

namespace avx512_vnni {  // AVX-512 F, BW, DQ, VL and VNNI
size_t ScanGroup(const ScanContext& context, const std::byte* group, uint32_t blocks_count,
                 const uint64_t* filter, float threshold, ScanHit* hits);
}  // namespace avx512_vnni

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_KERNELS_SCAN_H_
