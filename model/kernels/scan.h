// The scan of a catalogue in int8, and the functions of each instruction set. Plain types only, as
// in accumulate.h (README.md).
//
// Items lie in blocks of 16, blocks in groups of at most 64. Of each stored byte, a factor + 128,
// the high four bits lie in one plane and the low four in another, so that the scan reads half of
// it and comes back for the rest of few. A group is read from its first byte to its last in each
// plane (scan_blocks.h makes them), and the high planes of all groups follow each other:
//
//   high  ScanBlockHeader headers[kScanGroupBlocks]   of the blocks, unused ones included
//         per block: uint8_t nibbles[pairs][16][4]    factors 8j to 8j+3 of the 16 items in the low
//                    float biases[16]                 four bits of each byte, 8j+4 to 8j+7 in the
//                    high
//   low   float residual_norms[kScanGroupBlocks]      of the blocks, when both planes are known
//         per block: uint8_t nibbles[pairs][16][4]    as above
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
inline constexpr uint32_t kScanMaxPairs = 32;  // groups of eight factors: kMaxK / 8

// Of a block: an item's factor is scale * (16 high + low - 128), give or take, or less exactly
// scale * (16 high - 120).
struct ScanBlockHeader {
  float scale;
  float stored_norm;    // at least the norm of either, of each item
  float residual_norm;  // at least the norm of what the high plane alone lost, of each item
  float bias_error;     // at least what the biases are wrong by, and slack for roundings
};
inline constexpr size_t kScanHeadersBytes = sizeof(ScanBlockHeader) * kScanGroupBlocks;
inline constexpr size_t kScanLowHeadersBytes = sizeof(float) * kScanGroupBlocks;

// The planes of a group, 64-byte aligned.
struct ScanGroupPlanes {
  const std::byte* high;
  const std::byte* low;
  uint32_t blocks_count;  // 1 to kScanGroupBlocks
};

// A context in int8: its factor is scale * p, give or take. Each word holds four factors of it.
struct ScanContext {
  uint32_t pairs_count;
  float scale;
  float stored_norm_factor;           // a score may be wrong by stored_norm * this
  float residual_norm_factor;         // + residual_norm * this + bias_error
  int32_t high_offset;                // -120 * sum of all p
  int32_t offset;                     // -128 * sum of all p
  uint32_t quads[2 * kScanMaxPairs];  // int8 p[4j], p[4j+1], p[4j+2], p[4j+3]
};

// A block with items that may reach a threshold.
struct ScanHit {
  alignas(64) float scores[kScanBlockItems];  // of the items in `mask`, each +- error
  float error;
  uint32_t block;  // in the group
  uint32_t mask;   // bit i: item i
};

// Scores the blocks of a group by their high plane and writes to `hits` those with an item whose
// score is not below threshold - error, in order; returns how many.
//
//   score = context.scale * header.scale * sum_f p_f (16 high_f - 120) + bias
//
// rounded to float once after the multiplication of the scales, and once or twice after that: the
// integers are exact in every implementation. `filter` is null or 16 bits per block, the first
// block's lowest: items that are not in it are no hits, and blocks without any are not read. A
// score that is not a number is a hit. `hits` has room for all. Memory is asked for the low plane
// of hits.
using ScanFn = size_t (*)(const ScanContext& context, const ScanGroupPlanes& group,
                          const uint64_t* filter, float threshold, ScanHit* hits);

// Scores hits by both planes, with p_f (16 high_f + low_f - 128), otherwise as above: keeps the
// items that still are hits, and the hits that still have some, in order; returns how many.
using RefineFn = size_t (*)(const ScanContext& context, const ScanGroupPlanes& group,
                            float threshold, ScanHit* hits, size_t hits_count);

namespace scalar {
size_t ScanHigh(const ScanContext& context, const ScanGroupPlanes& group, const uint64_t* filter,
                float threshold, ScanHit* hits);
size_t Refine(const ScanContext& context, const ScanGroupPlanes& group, float threshold,
              ScanHit* hits, size_t hits_count);
}  // namespace scalar

namespace avx2 {
size_t ScanHigh(const ScanContext& context, const ScanGroupPlanes& group, const uint64_t* filter,
                float threshold, ScanHit* hits);
size_t Refine(const ScanContext& context, const ScanGroupPlanes& group, float threshold,
              ScanHit* hits, size_t hits_count);
}  // namespace avx2

namespace avx512 {
size_t ScanHigh(const ScanContext& context, const ScanGroupPlanes& group, const uint64_t* filter,
                float threshold, ScanHit* hits);
size_t Refine(const ScanContext& context, const ScanGroupPlanes& group, float threshold,
              ScanHit* hits, size_t hits_count);
}  // namespace avx512

namespace avx512_vnni {  // AVX-512 F, BW, DQ, VL and VNNI
size_t ScanHigh(const ScanContext& context, const ScanGroupPlanes& group, const uint64_t* filter,
                float threshold, ScanHit* hits);
size_t Refine(const ScanContext& context, const ScanGroupPlanes& group, float threshold,
              ScanHit* hits, size_t hits_count);
}  // namespace avx512_vnni

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_KERNELS_SCAN_H_
