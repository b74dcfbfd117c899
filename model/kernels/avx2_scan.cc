// The scan with AVX2. Intrinsics and internal functions only (README.md).
#include <immintrin.h>

#include "model/kernels/scan.h"
#include "model/kernels/scan_loop.h"

namespace fmserve::model::avx2 {
namespace {

// The sum of p times nibble of 64 factors, by eight words of four factors each. Products of bytes
// are added in words, which four of nibbles cannot fill.
inline __m256i SumOfNibbles(__m256i bytes, __m256i near, __m256i far) {
  const __m256i low_bits = _mm256_set1_epi8(0x0f);
  const __m256i nears = _mm256_maddubs_epi16(_mm256_and_si256(bytes, low_bits), near);
  const __m256i fars =
      _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(bytes, 4), low_bits), far);
  return _mm256_madd_epi16(_mm256_add_epi16(nears, fars), _mm256_set1_epi16(1));
}

// The products of eight items of a block, the first half or the second.
inline __m256i Products(const ScanContext& context, const std::byte* block, const std::byte* next,
                        uint32_t half) {
  __m256i sums = _mm256_setzero_si256();
  for (uint32_t pair = 0; pair < context.pairs_count; ++pair) {
    const size_t at = sizeof(ScanBlockHead) + pair * kScanPairBytes;
    if (half == 0) _mm_prefetch(reinterpret_cast<const char*>(next + at), _MM_HINT_T1);
    const __m256i bytes =
        _mm256_load_si256(reinterpret_cast<const __m256i*>(block + at + half * 32));
    const __m256i near = _mm256_set1_epi32(static_cast<int>(context.near[pair]));
    const __m256i far = _mm256_set1_epi32(static_cast<int>(context.far[pair]));
    sums = _mm256_add_epi32(sums, SumOfNibbles(bytes, near, far));
  }
  return _mm256_add_epi32(_mm256_slli_epi32(sums, 4), _mm256_set1_epi32(context.high_offset));
}

// Which of these eight are hits.
inline uint32_t Hits(const ScanContext& context, const std::byte* block, __m256i products,
                     uint32_t half, float threshold) {
  const auto& head = *reinterpret_cast<const ScanBlockHead*>(block);
  const __m256 scales = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(
      _mm_loadl_epi64(reinterpret_cast<const __m128i*>(head.scales + half * 8))));
  const __m256 steps = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(
      _mm_load_si128(reinterpret_cast<const __m128i*>(head.biases + half * 8))));
  const __m256 biases = _mm256_fmadd_ps(steps, _mm256_set1_ps(head.bias_step),
                                        _mm256_set1_ps(head.bias + head.bias_step));
  const __m256 unscaled =
      _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), _mm256_set1_ps(context.scale * head.scale),
                      _mm256_set1_ps(head.residual_norm * context.norm));
  const __m256 bounds = _mm256_fmadd_ps(unscaled, scales, biases);
  return static_cast<uint32_t>(
      _mm256_movemask_ps(_mm256_cmp_ps(bounds, _mm256_set1_ps(threshold), _CMP_NLT_UQ)));
}

inline int32_t SumOfWords(__m256i words) {
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
  return _mm_cvtsi128_si32(sum);
}

}  // namespace

size_t ScanHigh(const ScanContext& context, const ScanGroup& group, const uint64_t* filter,
                float threshold, ScanHit* hits) {
  return ScanLoop(context, group, filter, hits,
                  [&](const std::byte* block, const std::byte* next, int32_t* products) {
                    _mm_prefetch(reinterpret_cast<const char*>(next), _MM_HINT_T1);
                    uint32_t mask = 0;
                    for (uint32_t half = 0; half < 2; ++half) {
                      const __m256i sums = Products(context, block, next, half);
                      _mm256_store_si256(reinterpret_cast<__m256i*>(products + half * 8), sums);
                      mask |= Hits(context, block, sums, half, threshold) << (half * 8);
                    }
                    return mask;
                  });
}

// Reads whole registers. What lies beyond a row is multiplied by the zeroes that end the context.
void Refine(const ScanContext& context, const std::byte* rows, ScanHit* hits, size_t hits_count) {
  RefineLoop(context, rows, hits, hits_count, [&](const std::byte* row) {
    __m256i sums = _mm256_setzero_si256();
    for (uint32_t pair = 0; pair < context.pairs_count; pair += 8) {
      const __m256i bytes =
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + pair * kScanRowPairBytes));
      const __m256i near = _mm256_load_si256(reinterpret_cast<const __m256i*>(context.near + pair));
      const __m256i far = _mm256_load_si256(reinterpret_cast<const __m256i*>(context.far + pair));
      sums = _mm256_add_epi32(sums, SumOfNibbles(bytes, near, far));
    }
    return SumOfWords(sums);
  });
}

}  // namespace fmserve::model::avx2
