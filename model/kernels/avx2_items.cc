// Folded items with AVX2. Intrinsics and internal functions only (README.md).
#include <immintrin.h>

#include "model/kernels/accumulate.h"
#include "model/kernels/item_prefetch.h"
#include "model/kernels/item_rows.h"

namespace fmserve::model::avx2 {
namespace {

constexpr size_t kChunkBytes = 16;  // factors per register, as words

inline float FloatOf(uint32_t bits) {
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(bits))));
}

inline float LoadFloat(const std::byte* at) {
  return _mm_cvtss_f32(_mm_load_ss(reinterpret_cast<const float*>(at)));
}

// The low bits of 32 bytes.
inline float FloatInLowBits(const std::byte* at) {
  const __m256i bytes = _mm256_load_si256(reinterpret_cast<const __m256i*>(at));
  return FloatOf(static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_slli_epi16(bytes, 7))));
}

inline int SumOfProducts(const std::byte* row, size_t row_bytes, const int16_t* factors) {
  __m256i lanes = _mm256_setzero_si256();
  for (size_t f = 0; f < row_bytes; f += kChunkBytes) {
    const __m256i q =
        _mm256_cvtepi8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(row + f)));
    const __m256i p = _mm256_load_si256(reinterpret_cast<const __m256i*>(factors + f));
    lanes = _mm256_add_epi32(lanes, _mm256_madd_epi16(q, p));
  }
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
  return _mm_cvtsi128_si32(sum);
}

}  // namespace

void ScoreF32Items(const F32ItemRows& rows, const uint32_t* items, size_t n,
                   const F32Context& context, float* scores) {
  const size_t ahead = RowsAhead(rows);
  PrefetchFirst(rows, items, n);
  for (size_t i = 0; i < n; ++i) {
    if (i + ahead < n) PrefetchItem(rows, items[i + ahead]);
    const double dot = Dot(rows.vectors + items[i] * rows.padded_k, context.sums, rows.padded_k);
    scores[i] = static_cast<float>(context.score + double{rows.biases[items[i]]} + dot);
  }
}

void ScoreInt8Items(const Int8ItemRows& rows, const uint32_t* items, size_t n,
                    const Int8Context& context, float* scores) {
  const size_t ahead = RowsAhead(rows);
  PrefetchFirst(rows, items, n);
  for (size_t i = 0; i < n; ++i) {
    if (i + ahead < n) PrefetchItem(rows, items[i + ahead]);
    const std::byte* const row = rows.bytes + size_t{items[i]} * rows.row_bytes;
    const std::byte* const end = row + rows.row_bytes;
    const float scale = rows.in_low_bits ? FloatInLowBits(row) : LoadFloat(end - 8);
    const float bias = rows.in_low_bits ? FloatInLowBits(row + 32) : LoadFloat(end - 4);
    const float factor = scale * context.scale;
    const int sum = SumOfProducts(row, rows.row_bytes, context.factors);
    scores[i] = static_cast<float>(context.score + double{bias} + double{factor} * sum);
  }
}

}  // namespace fmserve::model::avx2
