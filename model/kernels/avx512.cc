// AVX-512 F + BW + DQ + VL: sixteen factors per register. Intrinsics and internal functions only
// (README.md).
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the _mm512_undefined_* inside its own intrinsics for mistakes (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "model/kernels/accumulate.h"
#include "model/kernels/row_offsets.h"
#include "model/kernels/scan.h"

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

// The sum of p times nibble of each item of a block's plane. Without VNNI products of bytes are
// added in words, which four of nibbles cannot fill.
inline __m512i SumOfNibbles(const ScanContext& context, const std::byte* plane,
                            const std::byte* next) {
  const __m512i low_bits = _mm512_set1_epi8(0x0f);
  const __m512i ones = _mm512_set1_epi16(1);
  __m512i sums = _mm512_setzero_si512();
  for (uint32_t pair = 0; pair < context.pairs_count; ++pair) {
    _mm_prefetch(reinterpret_cast<const char*>(next + pair * 64), _MM_HINT_T1);
    const __m512i items = _mm512_load_si512(reinterpret_cast<const __m512i*>(plane) + pair);
    const __m512i low =
        _mm512_maddubs_epi16(_mm512_and_si512(items, low_bits),
                             _mm512_set1_epi32(static_cast<int>(context.quads[2 * pair])));
    const __m512i high =
        _mm512_maddubs_epi16(_mm512_and_si512(_mm512_srli_epi16(items, 4), low_bits),
                             _mm512_set1_epi32(static_cast<int>(context.quads[2 * pair + 1])));
    sums = _mm512_add_epi32(sums, _mm512_madd_epi16(_mm512_add_epi16(low, high), ones));
  }
  return sums;
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

double Dot(const float* a, const float* b, size_t padded_k) {
  __m512 lanes = _mm512_setzero_ps();
  for (size_t f = 0; f < padded_k; f += kLanes) {
    lanes = _mm512_fmadd_ps(_mm512_loadu_ps(a + f), _mm512_loadu_ps(b + f), lanes);
  }
  return SumLanes(lanes);
}

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

}  // namespace fmserve::model::avx512
