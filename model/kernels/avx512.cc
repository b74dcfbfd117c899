// AVX-512 F + BW + DQ + VL: sixteen factors per register. Intrinsics and internal functions only
// (README.md).
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the _mm512_undefined_* inside its own intrinsics for mistakes (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "model/kernels/accumulate.h"
#include "model/kernels/field_weighted_loop.h"
#include "model/kernels/row_offsets.h"

namespace fmserve::model::avx512 {
namespace {

constexpr uint32_t kLanes = 16;

inline float LoadFloat(const std::byte* at) {
  return _mm_cvtss_f32(_mm_load_ss(reinterpret_cast<const float*>(at)));
}

// Sixteen factors of a row, not yet scaled.
template <Quantization kQuantization>
inline __m512 Load(const std::byte* at) {
  if constexpr (kQuantization == Quantization::kF32) {
    return _mm512_loadu_ps(at);
  } else if constexpr (kQuantization == Quantization::kF16) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
  } else {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
  }
}

// The last `count` factors of a row, 1 to 15, and zeros: the padding of the row, or what no load
// brings. Reads whole groups of 16 bytes, which always lie inside the row, and not with a mask: a
// masked load that reaches into the next cache line takes twice as long from memory (README.md).
template <Quantization kQuantization>
inline __m512 LoadTail(const std::byte* at, uint32_t count) {
  if constexpr (kQuantization == Quantization::kF32) {
    const auto* floats = reinterpret_cast<const float*>(at);
    if (count > 12) return _mm512_loadu_ps(floats);
    if (count <= 4) return _mm512_zextps128_ps512(_mm_loadu_ps(floats));
    const __m512 eight = _mm512_zextps256_ps512(_mm256_loadu_ps(floats));
    return count <= 8 ? eight : _mm512_insertf32x4(eight, _mm_loadu_ps(floats + 8), 2);
  } else if constexpr (kQuantization == Quantization::kF16) {
    if (count > 8) return Load<kQuantization>(at);
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    return _mm512_zextps256_ps512(_mm256_cvtph_ps(halves));
  } else {
    return Load<kQuantization>(at);
  }
}

inline double SumLanes(__m512 lanes) {
  const __m512d eight = _mm512_add_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(lanes)),
                                      _mm512_cvtps_pd(_mm512_extractf32x8_ps(lanes, 1)));
  return _mm512_reduce_add_pd(eight);
}

// The x of a row's stored values.
template <Quantization kQuantization>
inline float ScaledX(const std::byte* row, float x) {
  return kQuantization == Quantization::kInt8 ? x * LoadFloat(row + kRowScale) : x;
}

// All sums in registers, the last one perhaps in part.
template <Quantization kQuantization, uint32_t kFixedK>
double AccumulateFixed(const RowsView& rows, const uint32_t* slots, const float* xs, size_t n,
                       const float* sums_in, float* sums_out) {
  constexpr uint32_t kRegisters = (kFixedK + kLanes - 1) / kLanes;
  constexpr uint32_t kTail = kFixedK % kLanes;
  __m512 sums[kRegisters];
  for (uint32_t r = 0; r < kRegisters; ++r) sums[r] = _mm512_loadu_ps(sums_in + r * kLanes);
  double linear = 0.0;
  __m512 pairs = _mm512_setzero_ps();
  for (size_t i = 0; i < n; ++i) {
    if (slots[i] == kNoSlot) continue;
    const std::byte* row = rows.bytes + uint64_t{slots[i]} * rows.stride_bytes;
    linear += double{LoadFloat(row + kRowW)} * double{xs[i]};
    const __m512 x = _mm512_set1_ps(ScaledX<kQuantization>(row, xs[i]));
    __m512 row_pairs = _mm512_setzero_ps();
    for (uint32_t r = 0; r < kRegisters; ++r) {
      const std::byte* at = row + kRowValues + r * kLanes * kValueBytes<kQuantization>;
      const bool is_tail = kTail != 0 && r == kRegisters - 1;
      const __m512 v = is_tail ? LoadTail<kQuantization>(at, kTail) : Load<kQuantization>(at);
      const __m512 xv = _mm512_mul_ps(x, v);
      row_pairs = _mm512_fmadd_ps(xv, sums[r], row_pairs);
      sums[r] = _mm512_add_ps(sums[r], xv);
    }
    pairs = _mm512_add_ps(pairs, row_pairs);
  }
  if (sums_out != nullptr) {
    for (uint32_t r = 0; r < kRegisters; ++r) _mm512_storeu_ps(sums_out + r * kLanes, sums[r]);
  }
  return linear + SumLanes(pairs);
}

// Sums on the stack.
template <Quantization kQuantization>
double AccumulateAny(const RowsView& rows, const uint32_t* slots, const float* xs, size_t n,
                     const float* sums_in, float* sums_out) {
  const uint32_t padded_k = (rows.k + kLanes - 1) / kLanes * kLanes;
  const uint32_t full_k = rows.k / kLanes * kLanes;
  const uint32_t tail = rows.k - full_k;
  alignas(64) float sums[kMaxK];
  for (uint32_t f = 0; f < padded_k; f += kLanes) {
    _mm512_store_ps(sums + f, _mm512_loadu_ps(sums_in + f));
  }
  double linear = 0.0;
  __m512 pairs = _mm512_setzero_ps();
  for (size_t i = 0; i < n; ++i) {
    if (slots[i] == kNoSlot) continue;
    const std::byte* row = rows.bytes + uint64_t{slots[i]} * rows.stride_bytes;
    linear += double{LoadFloat(row + kRowW)} * double{xs[i]};
    const __m512 x = _mm512_set1_ps(ScaledX<kQuantization>(row, xs[i]));
    __m512 row_pairs = _mm512_setzero_ps();
    const auto add = [&](uint32_t f, __m512 v) {
      const __m512 xv = _mm512_mul_ps(x, v);
      const __m512 sum = _mm512_load_ps(sums + f);
      row_pairs = _mm512_fmadd_ps(xv, sum, row_pairs);
      _mm512_store_ps(sums + f, _mm512_add_ps(sum, xv));
    };
    const std::byte* values = row + kRowValues;
    for (uint32_t f = 0; f < full_k; f += kLanes) {
      add(f, Load<kQuantization>(values + f * kValueBytes<kQuantization>));
    }
    if (tail != 0) {
      add(full_k, LoadTail<kQuantization>(values + full_k * kValueBytes<kQuantization>, tail));
    }
    pairs = _mm512_add_ps(pairs, row_pairs);
  }
  if (sums_out != nullptr) {
    for (uint32_t f = 0; f < padded_k; f += kLanes) {
      _mm512_storeu_ps(sums_out + f, _mm512_load_ps(sums + f));
    }
  }
  return linear + SumLanes(pairs);
}

template <Quantization kQuantization>
AccumulateFn ForK(uint32_t k) {
  switch (k) {
    case 8:
      return AccumulateFixed<kQuantization, 8>;
    case 16:
      return AccumulateFixed<kQuantization, 16>;
    case 32:
      return AccumulateFixed<kQuantization, 32>;
    case 64:
      return AccumulateFixed<kQuantization, 64>;
    default:
      return AccumulateAny<kQuantization>;
  }
}

// For field_weighted_loop.h.
struct Registers {
  using Vector = __m512;
  static constexpr uint32_t kLanes = avx512::kLanes;

  static Vector Zero() { return _mm512_setzero_ps(); }
  static Vector Set(float x) { return _mm512_set1_ps(x); }
  static Vector Read(const float* at) { return _mm512_loadu_ps(at); }
  static void Write(Vector lanes, float* at) { _mm512_storeu_ps(at, lanes); }
  static Vector Mul(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
  static Vector MulAdd(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
  static double SumLanes(Vector lanes) { return avx512::SumLanes(lanes); }
  template <Quantization kQuantization>
  static Vector Load(const std::byte* at) {
    return avx512::Load<kQuantization>(at);
  }
  template <Quantization kQuantization>
  static Vector LoadTail(const std::byte* at, uint32_t count) {
    return avx512::LoadTail<kQuantization>(at, count);
  }
};

template <Quantization kQuantization>
double AccumulateFieldsOf(const RowsView& rows, const FieldFactorsView& matrix,
                          const uint32_t* slots, const uint8_t* fields, const float* xs, size_t n,
                          // NOLINTNEXTLINE(readability-non-const-parameter): it goes into the list
                          const float* sums_in, float* sums_out) {
  return AccumulateFieldWeighted<Registers, kQuantization>({.rows = rows,
                                                            .matrix = matrix,
                                                            .slots = slots,
                                                            .fields = fields,
                                                            .xs = xs,
                                                            .n = n,
                                                            .sums_in = sums_in,
                                                            .sums_out = sums_out,
                                                            .padded_k = (rows.k + 15) / 16 * 16});
}

}  // namespace

AccumulateFn Accumulate(Quantization quantization, uint32_t k) {
  switch (quantization) {
    case Quantization::kF32:
      return ForK<Quantization::kF32>(k);
    case Quantization::kF16:
      return ForK<Quantization::kF16>(k);
    case Quantization::kInt8:
      return ForK<Quantization::kInt8>(k);
  }
  return nullptr;
}

AccumulateFieldsFn AccumulateFields(Quantization quantization) {
  switch (quantization) {
    case Quantization::kF32:
      return AccumulateFieldsOf<Quantization::kF32>;
    case Quantization::kF16:
      return AccumulateFieldsOf<Quantization::kF16>;
    case Quantization::kInt8:
      return AccumulateFieldsOf<Quantization::kInt8>;
  }
  return nullptr;
}

double Dot(const float* a, const float* b, size_t padded_k) {
  __m512 lanes = _mm512_setzero_ps();
  for (size_t f = 0; f < padded_k; f += kLanes) {
    lanes = _mm512_fmadd_ps(_mm512_loadu_ps(a + f), _mm512_loadu_ps(b + f), lanes);
  }
  return SumLanes(lanes);
}

}  // namespace fmserve::model::avx512
