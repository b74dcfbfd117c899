// The scan of a catalogue in int8, and the functions of each instruction set. Plain types only, as
// in accumulate.h (README.md).
//
// Items lie in blocks of 16, blocks in groups of at most 64. Of each stored byte, a factor + 128,
// the high four bits lie with those of the block and the low four with those of the item, so that
// the scan reads half of it and comes back for the rest of few. The blocks of all groups follow
// each other, and so do the rows of low bits (scan_blocks.h makes them):
//
//   block  ScanBlockHead                 nibbles: factors 8j to 8j+3 in the low four bits of each
//          uint8_t nibbles[pairs][16][4] byte, 8j+4 to 8j+7 in the high; of the 16 items
//   row    uint8_t nibbles[pairs][4]     likewise, of one item
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
inline constexpr size_t kScanRowsAhead = 32;     // likewise, of the rows of hits
inline constexpr uint32_t kScanMaxPairs = 32;    // groups of eight factors: kMaxK / 8
inline constexpr size_t kScanPairBytes = 64;     // of a block
inline constexpr size_t kScanRowPairBytes = 4;   // of an item's row
inline constexpr size_t kScanRowReadBytes = 32;  // what follows a row's begin must be readable

// Of a block, one cache line. An item's factor is scale * scales[i] * (16 high + low - 128), give
// or take, or less exactly that times (16 high - 120); its bias is bias + bias_step * biases[i],
// give or take bias_step, in which also all roundings of the bias have room.
struct ScanBlockHead {
  float scale;
  float residual_norm;  // (16 high - 120) loses of an item's vector at most scales[i] times this
  float bias;
  float bias_step;
  uint8_t scales[kScanBlockItems];
  uint16_t biases[kScanBlockItems];
};
static_assert(sizeof(ScanBlockHead) == 64);

struct ScanGroup {
  const std::byte* blocks;  // 64-byte aligned
  uint32_t blocks_count;    // 1 to kScanGroupBlocks
  uint32_t first_item;      // what its items are numbered from
};

// A context in int8: its factor is scale * p, give or take. Each word holds four factors of it,
// zeroes after the last.
struct ScanContext {
  alignas(64) uint32_t near[kScanMaxPairs];  // int8 p[8j], p[8j+1], p[8j+2], p[8j+3]
  alignas(64) uint32_t far[kScanMaxPairs];   // int8 p[8j+4] to p[8j+7]
  uint32_t pairs_count;
  float scale;
  float norm;                 // at least that of the context
  int32_t high_offset;        // -120 * sum of all p
  int32_t low_offset;         // -8 * sum of all p
  double stored_norm_factor;  // by what the context loses, a score is wrong by at most this times
                              // the norm of what is stored of the item
};

// An item that may reach a threshold.
struct ScanHit {
  uint32_t item;
  // sum_f p_f (16 high_f - 120); of both halves sum_f p_f (16 high_f + low_f - 128).
  int32_t product;
};

// Writes to `hits` the items of a group whose
//
//   scales[i] * (context.scale * scale * product + residual_norm * context.norm)
//     + bias_step * biases[i] + (bias + bias_step)
//
// is not below `threshold`, in order; returns how many. Products are exact in every implementation;
// floats are rounded after each operation, or fewer. `filter` is null or 16 bits per block, the
// first block's lowest: items that are not in it are no hits, and blocks without any are not read.
// What is not a number is a hit. In the last block of a catalogue there may be hits beyond its last
// item. `hits` has room for all.
using ScanFn = size_t (*)(const ScanContext& context, const ScanGroup& group,
                          const uint64_t* filter, float threshold, ScanHit* hits);

// Adds what the rows of these hits, of any groups, tell to their products; the more hits at a time,
// the less it waits for memory. `rows` are those of item 0 and on; kScanRowReadBytes beyond the
// last may be read.
using RefineFn = void (*)(const ScanContext& context, const std::byte* rows, ScanHit* hits,
                          size_t hits_count);

namespace scalar {
size_t ScanHigh(const ScanContext& context, const ScanGroup& group, const uint64_t* filter,
                float threshold, ScanHit* hits);
void Refine(const ScanContext& context, const std::byte* rows, ScanHit* hits, size_t hits_count);
}  // namespace scalar

namespace avx2 {
size_t ScanHigh(const ScanContext& context, const ScanGroup& group, const uint64_t* filter,
                float threshold, ScanHit* hits);
void Refine(const ScanContext& context, const std::byte* rows, ScanHit* hits, size_t hits_count);
}  // namespace avx2

namespace avx512 {
size_t ScanHigh(const ScanContext& context, const ScanGroup& group, const uint64_t* filter,
                float threshold, ScanHit* hits);
}  // namespace avx512

namespace avx512_vnni {  // AVX-512 F, BW, DQ, VL and VNNI
size_t ScanHigh(const ScanContext& context, const ScanGroup& group, const uint64_t* filter,
                float threshold, ScanHit* hits);
}  // namespace avx512_vnni

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_KERNELS_SCAN_H_
