// Folded items with AVX-512. Intrinsics and internal functions only (README.md).
#if defined(__GNUC__) && !defined(__clang__)
// As in avx512.cc.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "model/kernels/item_prefetch.h"
#include "model/kernels/item_rows.h"

namespace fmserve::model::avx512 {
namespace {

constexpr size_t kLanes = 16;  // floats per register
constexpr size_t kGroup = 16;  // items whose sums are added up together
constexpr size_t kLineBytes = 64;
constexpr size_t kChunkBytes = 32;  // factors per register, as words

inline double SumLanes(__m512 lanes) {
  const __m512d eight = _mm512_add_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(lanes)),
                                      _mm512_cvtps_pd(_mm512_extractf32x8_ps(lanes, 1)));
  return _mm512_reduce_add_pd(eight);
}

// Of two vectors of partial sums one, in which half as many lanes belong to each. In the order in
// which SumsOfLanes takes them.
inline __m512i AddPairs(__m512i a, __m512i b) {
  return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}
inline __m512i AddQuads(__m512i a, __m512i b) {
  return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}
inline __m512i AddBlocks(__m512i a, __m512i b) {
  return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
}

// Lane i: the sum of the lanes of lanes[i].
inline __m512i SumsOfLanes(const __m512i* lanes) {
  __m512i fours[4];
  for (size_t i = 0; i < 4; ++i) {
    const __m512i* const at = lanes + i * 4;
    fours[i] = AddQuads(AddPairs(at[0], at[1]), AddPairs(at[2], at[3]));
  }
  return AddBlocks(AddBlocks(fours[0], fours[1]), AddBlocks(fours[2], fours[3]));
}

// Sixteen items: lanes that add up to sum_f p_f q_f, and scale and bias as they lie.
struct Group {
  __m512i lanes[kGroup];
  alignas(64) uint64_t scale_and_bias[kGroup];
};

// kLineRows: rows of 64 bytes with scale and bias in the low bits, the case to be fast in.
template <bool kLineRows>
inline void LoadItem(const Int8ItemRows& rows, uint32_t item, const Int8Context& context, size_t i,
                     Group& group) {
  const size_t row_bytes = kLineRows ? kLineBytes : rows.row_bytes;
  const std::byte* const row = rows.bytes + item * row_bytes;
  __m512i sum = _mm512_setzero_si512();
  for (size_t f = 0; f < row_bytes; f += kChunkBytes) {
    const __m512i q =
        _mm512_cvtepi8_epi16(_mm256_load_si256(reinterpret_cast<const __m256i*>(row + f)));
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(q, _mm512_load_si512(context.factors + f)));
  }
  group.lanes[i] = sum;
  if (kLineRows || rows.in_low_bits) {
    group.scale_and_bias[i] = _mm512_test_epi8_mask(_mm512_load_si512(row), _mm512_set1_epi8(1));
  } else {
    _mm_storel_epi64(
        reinterpret_cast<__m128i*>(group.scale_and_bias + i),
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row + row_bytes - sizeof(uint64_t))));
  }
}

inline __m256 ScoreHalf(__m256 factor, __m256i sums, __m256 biases, double context_score) {
  const __m512d base = _mm512_add_pd(_mm512_set1_pd(context_score), _mm512_cvtps_pd(biases));
  return _mm512_cvtpd_ps(_mm512_fmadd_pd(_mm512_cvtps_pd(factor), _mm512_cvtepi32_pd(sums), base));
}

inline void ScoreGroup(const Group& group, const Int8Context& context, float* scores) {
  const __m512i evens = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  const __m512i odds = _mm512_add_epi32(evens, _mm512_set1_epi32(1));
  const __m512i first = _mm512_load_si512(group.scale_and_bias);
  const __m512i second = _mm512_load_si512(group.scale_and_bias + kGroup / 2);
  const __m512 scales = _mm512_castsi512_ps(_mm512_permutex2var_epi32(first, evens, second));
  const __m512 biases = _mm512_castsi512_ps(_mm512_permutex2var_epi32(first, odds, second));
  const __m512 factors = _mm512_mul_ps(scales, _mm512_set1_ps(context.scale));
  const __m512i sums = SumsOfLanes(group.lanes);
  _mm256_storeu_ps(scores, ScoreHalf(_mm512_castps512_ps256(factors), _mm512_castsi512_si256(sums),
                                     _mm512_castps512_ps256(biases), context.score));
  _mm256_storeu_ps(scores + kGroup / 2,
                   ScoreHalf(_mm512_extractf32x8_ps(factors, 1), _mm512_extracti32x8_epi32(sums, 1),
                             _mm512_extractf32x8_ps(biases, 1), context.score));
}

template <bool kLineRows>
[[gnu::always_inline]] inline void ScoreRows(const Int8ItemRows& rows, const uint32_t* items,
                                             size_t n, const Int8Context& context, float* scores) {
  const size_t ahead = RowsAhead(rows);
  PrefetchFirst(rows, items, n);
  Group group;
  size_t i = 0;
  for (; i + kGroup <= n; i += kGroup) {
    for (size_t j = 0; j < kGroup; ++j) {
      if (i + j + ahead < n) PrefetchItem(rows, items[i + j + ahead]);
      LoadItem<kLineRows>(rows, items[i + j], context, j, group);
    }
    ScoreGroup(group, context, scores + i);
  }
  if (i == n) return;
  for (size_t j = 0; j < kGroup; ++j)
    LoadItem<kLineRows>(rows, items[i + j < n ? i + j : i], context, j, group);
  float last[kGroup];
  ScoreGroup(group, context, last);
  for (size_t j = 0; i + j < n; ++j) scores[i + j] = last[j];
}

}  // namespace

void ScoreF32Items(const F32ItemRows& rows, const uint32_t* items, size_t n,
                   const F32Context& context, float* scores) {
  const size_t ahead = RowsAhead(rows);
  PrefetchFirst(rows, items, n);
  for (size_t i = 0; i < n; ++i) {
    if (i + ahead < n) PrefetchItem(rows, items[i + ahead]);
    const float* const vector = rows.vectors + items[i] * rows.padded_k;
    __m512 lanes = _mm512_setzero_ps();
    for (size_t f = 0; f < rows.padded_k; f += kLanes) {
      lanes = _mm512_fmadd_ps(_mm512_load_ps(vector + f), _mm512_loadu_ps(context.sums + f), lanes);
    }
    scores[i] = static_cast<float>(context.score + double{rows.biases[items[i]]} + SumLanes(lanes));
  }
}

void ScoreInt8Items(const Int8ItemRows& rows, const uint32_t* items, size_t n,
                    const Int8Context& context, float* scores) {
  if (rows.in_low_bits && rows.row_bytes == kLineBytes) {
    // The compiler sees how many lines PrefetchItem asks for.
    ScoreRows<true>({.bytes = rows.bytes, .row_bytes = kLineBytes, .in_low_bits = true}, items, n,
                    context, scores);
  } else {
    ScoreRows<false>(rows, items, n, context, scores);
  }
}

}  // namespace fmserve::model::avx512
