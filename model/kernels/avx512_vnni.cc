// The scan with AVX-512 VNNI: one instruction multiplies and adds four factors of sixteen items.
// Intrinsics and internal functions only (README.md).
#if defined(__GNUC__) && !defined(__clang__)
// As in avx512.cc.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "model/kernels/scan.h"

namespace fmserve::model::avx512_vnni {
namespace {

// The sum of p times nibble of each item of a block's plane. The high nibbles are not shifted down:
// they are multiplied as 16 times as much.
inline __m512i SumOfNibbles(const ScanContext& context, const std::byte* plane,
                            const std::byte* next) {
  const __m512i low_bits = _mm512_set1_epi8(0x0f);
  __m512i low = _mm512_setzero_si512();
  __m512i high = _mm512_setzero_si512();
  for (uint32_t pair = 0; pair < context.pairs_count; ++pair) {
    _mm_prefetch(reinterpret_cast<const char*>(next + pair * 64), _MM_HINT_T1);
    const __m512i items = _mm512_load_si512(reinterpret_cast<const __m512i*>(plane) + pair);
    low = _mm512_dpbusd_epi32(low, _mm512_and_si512(items, low_bits),
                              _mm512_set1_epi32(static_cast<int>(context.quads[2 * pair])));
    high = _mm512_dpbusd_epi32(high, _mm512_andnot_si512(low_bits, items),
                               _mm512_set1_epi32(static_cast<int>(context.quads[2 * pair + 1])));
  }
  return _mm512_add_epi32(low, _mm512_srai_epi32(high, 4));
}

// The 16 bits of a block in a filter.
inline uint32_t Wanted(const uint64_t* filter, uint32_t block) {
  return filter == nullptr ? 0xffff : (filter[block / 4] >> (block % 4 * 16)) & 0xffff;
}

// What to ask memory for while a block is summed: the block `ahead` of it, if that is wanted.
inline const std::byte* Next(const uint64_t* filter, const std::byte* block, size_t block_bytes,
                             uint32_t index, uint32_t blocks_count) {
  const auto ahead = static_cast<uint32_t>(kScanPrefetchBytes / block_bytes + 1);
  const bool wanted =
      filter == nullptr || (index + ahead < blocks_count && Wanted(filter, index + ahead) != 0);
  return wanted ? block + ahead * block_bytes : block;
}

inline void Prefetch(const std::byte* at, size_t bytes) {
  for (size_t line = 0; line < bytes; line += 64)
    _mm_prefetch(reinterpret_cast<const char*>(at + line), _MM_HINT_T1);
}

inline float ErrorOf(const ScanContext& context, const ScanBlockHeader& header,
                     float residual_norm) {
  return header.stored_norm * context.stored_norm_factor +
         residual_norm * context.residual_norm_factor + header.bias_error;
}

// Writes the scores to `hit`; returns which of them are not below threshold - error.
inline uint32_t Score(const ScanContext& context, const ScanBlockHeader& header, __m512i sums,
                      const std::byte* biases, float threshold, float error, ScanHit& hit) {
  const __m512 scores =
      _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), _mm512_set1_ps(header.scale * context.scale),
                      _mm512_load_ps(reinterpret_cast<const float*>(biases)));
  _mm512_store_ps(hit.scores, scores);
  return _mm512_cmp_ps_mask(scores, _mm512_set1_ps(threshold - error), _CMP_NLT_UQ);
}

}  // namespace

size_t ScanHigh(const ScanContext& context, const ScanGroupPlanes& group, const uint64_t* filter,
                float threshold, ScanHit* hits) {
  const auto* headers = reinterpret_cast<const ScanBlockHeader*>(group.high);
  const size_t plane_bytes = context.pairs_count * size_t{64};
  const size_t block_bytes = plane_bytes + 64;
  const __m512i offset = _mm512_set1_epi32(context.high_offset);
  const std::byte* block = group.high + kScanHeadersBytes;
  size_t hits_count = 0;
  for (uint32_t b = 0; b < group.blocks_count; ++b, block += block_bytes) {
    const uint32_t wanted = Wanted(filter, b);
    if (wanted == 0) continue;
    const std::byte* const next = Next(filter, block, block_bytes, b, group.blocks_count);
    const float error = ErrorOf(context, headers[b], headers[b].residual_norm);
    const __m512i sums =
        _mm512_add_epi32(_mm512_slli_epi32(SumOfNibbles(context, block, next), 4), offset);
    ScanHit& hit = hits[hits_count];
    hit.mask =
        wanted & Score(context, headers[b], sums, block + plane_bytes, threshold, error, hit);
    if (hit.mask == 0) continue;
    hit.error = error;
    hit.block = b;
    ++hits_count;
    Prefetch(group.low + kScanLowHeadersBytes + b * plane_bytes, plane_bytes);
  }
  return hits_count;
}

size_t Refine(const ScanContext& context, const ScanGroupPlanes& group, float threshold,
              ScanHit* hits, size_t hits_count) {
  const auto* headers = reinterpret_cast<const ScanBlockHeader*>(group.high);
  const auto* residual_norms = reinterpret_cast<const float*>(group.low);
  const size_t plane_bytes = context.pairs_count * size_t{64};
  const __m512i offset = _mm512_set1_epi32(context.offset);
  size_t kept = 0;
  for (size_t n = 0; n < hits_count; ++n) {
    const uint32_t b = hits[n].block;
    const std::byte* const high = group.high + kScanHeadersBytes + b * (plane_bytes + 64);
    const std::byte* const low = group.low + kScanLowHeadersBytes + b * plane_bytes;
    const float error = ErrorOf(context, headers[b], residual_norms[b]);
    const __m512i high_sums = _mm512_slli_epi32(SumOfNibbles(context, high, high), 4);
    const __m512i sums =
        _mm512_add_epi32(_mm512_add_epi32(high_sums, SumOfNibbles(context, low, low)), offset);
    ScanHit& hit = hits[kept];
    hit.mask =
        hits[n].mask & Score(context, headers[b], sums, high + plane_bytes, threshold, error, hit);
    if (hit.mask == 0) continue;
    hit.error = error;
    hit.block = b;
    ++kept;
  }
  return kept;
}

}  // namespace fmserve::model::avx512_vnni
