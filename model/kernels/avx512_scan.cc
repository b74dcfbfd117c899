// The scan with AVX-512. Intrinsics and internal functions only (README.md).
#if defined(__GNUC__) && !defined(__clang__)
// As in avx512.cc.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "model/kernels/scan.h"
#include "model/kernels/scan_loop.h"

namespace fmserve::model::avx512 {
namespace {

// The products of a block. Without VNNI products of bytes are added in words, which four of nibbles
// cannot fill.
inline __m512i Products(const ScanContext& context, const std::byte* block, const std::byte* next) {
  const __m512i low_bits = _mm512_set1_epi8(0x0f);
  const __m512i ones = _mm512_set1_epi16(1);
  __m512i sums = _mm512_setzero_si512();
  _mm_prefetch(reinterpret_cast<const char*>(next), _MM_HINT_T1);
  for (uint32_t pair = 0; pair < context.pairs_count; ++pair) {
    const size_t at = sizeof(ScanBlockHead) + pair * kScanPairBytes;
    _mm_prefetch(reinterpret_cast<const char*>(next + at), _MM_HINT_T1);
    const __m512i items = _mm512_load_si512(block + at);
    const __m512i near = _mm512_maddubs_epi16(
        _mm512_and_si512(items, low_bits), _mm512_set1_epi32(static_cast<int>(context.near[pair])));
    const __m512i far =
        _mm512_maddubs_epi16(_mm512_and_si512(_mm512_srli_epi16(items, 4), low_bits),
                             _mm512_set1_epi32(static_cast<int>(context.far[pair])));
    sums = _mm512_add_epi32(sums, _mm512_madd_epi16(_mm512_add_epi16(near, far), ones));
  }
  return _mm512_add_epi32(_mm512_slli_epi32(sums, 4), _mm512_set1_epi32(context.high_offset));
}

// Which items are hits.
inline uint32_t Hits(const ScanContext& context, const std::byte* block, __m512i products,
                     float threshold) {
  const auto& head = *reinterpret_cast<const ScanBlockHead*>(block);
  const __m512 scales = _mm512_cvtepi32_ps(
      _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(head.scales))));
  const __m512 steps = _mm512_cvtepi32_ps(
      _mm512_cvtepu16_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(head.biases))));
  const __m512 biases = _mm512_fmadd_ps(steps, _mm512_set1_ps(head.bias_step),
                                        _mm512_set1_ps(head.bias + head.bias_step));
  const __m512 unscaled =
      _mm512_fmadd_ps(_mm512_cvtepi32_ps(products), _mm512_set1_ps(context.scale * head.scale),
                      _mm512_set1_ps(head.residual_norm * context.norm));
  return _mm512_cmp_ps_mask(_mm512_fmadd_ps(unscaled, scales, biases), _mm512_set1_ps(threshold),
                            _CMP_NLT_UQ);
}

}  // namespace

size_t ScanHigh(const ScanContext& context, const ScanGroup& group, const uint64_t* filter,
                float threshold, ScanHit* hits) {
  return ScanLoop(context, group, filter, hits,
                  [&](const std::byte* block, const std::byte* next, int32_t* products) {
                    const __m512i sums = Products(context, block, next);
                    _mm512_store_si512(products, sums);
                    return Hits(context, block, sums, threshold);
                  });
}

}  // namespace fmserve::model::avx512
