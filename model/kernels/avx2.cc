// AVX2 + FMA + F16C: eight factors per register. Intrinsics and internal functions only
// (README.md).
#include <immintrin.h>

#include "model/kernels/accumulate.h"
#include "model/kernels/row_offsets.h"
#include "model/kernels/scan.h"

namespace fmserve::model::avx2 {
namespace {

constexpr uint32_t kLanes = 8;

inline float LoadFloat(const std::byte* at) {
  return _mm_cvtss_f32(_mm_load_ss(reinterpret_cast<const float*>(at)));
}

// Eight factors of a row, not yet scaled.
template <Quantization kQuantization>
inline __m256 Load(const std::byte* at) {
  if constexpr (kQuantization == Quantization::kF32) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(at));
  } else if constexpr (kQuantization == Quantization::kF16) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
  } else {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at));
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
  }
}

// The last `count` factors of a row, 1 to 7, and zeros: the padding of the row, or what no load
// brings. Reads whole groups of 16 bytes, which always lie inside the row, and not with a mask: a
// masked load that reaches into the next cache line takes twice as long from memory (README.md).
template <Quantization kQuantization>
inline __m256 LoadTail(const std::byte* at, uint32_t count) {
  if (kQuantization == Quantization::kF32 && count <= 4) {
    return _mm256_zextps128_ps256(_mm_loadu_ps(reinterpret_cast<const float*>(at)));
  }
  return Load<kQuantization>(at);
}

inline double SumLanes(__m256 lanes) {
  const __m256d four = _mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(lanes)),
                                     _mm256_cvtps_pd(_mm256_extractf128_ps(lanes, 1)));
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

// The x of a row's stored values.
template <Quantization kQuantization>
inline float ScaledX(const std::byte* row, float x) {
  return kQuantization == Quantization::kInt8 ? x * LoadFloat(row + kRowScale) : x;
}

// All sums in registers.
template <Quantization kQuantization, uint32_t kFixedK>
double AccumulateFixed(const RowsView& rows, const uint32_t* slots, const float* xs, size_t n,
                       const float* sums_in, float* sums_out) {
  constexpr uint32_t kRegisters = kFixedK / kLanes;
  __m256 sums[kRegisters];
  for (uint32_t r = 0; r < kRegisters; ++r) sums[r] = _mm256_loadu_ps(sums_in + r * kLanes);
  double linear = 0.0;
  __m256 pairs = _mm256_setzero_ps();
  for (size_t i = 0; i < n; ++i) {
    if (slots[i] == kNoSlot) continue;
    const std::byte* row = rows.bytes + uint64_t{slots[i]} * rows.stride_bytes;
    linear += double{LoadFloat(row + kRowW)} * double{xs[i]};
    const __m256 x = _mm256_set1_ps(ScaledX<kQuantization>(row, xs[i]));
    __m256 row_pairs = _mm256_setzero_ps();
    for (uint32_t r = 0; r < kRegisters; ++r) {
      const std::byte* at = row + kRowValues + r * kLanes * kValueBytes<kQuantization>;
      const __m256 xv = _mm256_mul_ps(x, Load<kQuantization>(at));
      row_pairs = _mm256_fmadd_ps(xv, sums[r], row_pairs);
      sums[r] = _mm256_add_ps(sums[r], xv);
    }
    pairs = _mm256_add_ps(pairs, row_pairs);
  }
  if (sums_out != nullptr) {
    for (uint32_t r = 0; r < kRegisters; ++r) _mm256_storeu_ps(sums_out + r * kLanes, sums[r]);
    if (kRegisters % 2 != 0) {
      _mm256_storeu_ps(sums_out + kRegisters * kLanes, _mm256_setzero_ps());
    }
  }
  return linear + SumLanes(pairs);
}

// Sums on the stack.
template <Quantization kQuantization>
double AccumulateAny(const RowsView& rows, const uint32_t* slots, const float* xs, size_t n,
                     const float* sums_in, float* sums_out) {
  const uint32_t padded_k = (rows.k + 15) / 16 * 16;
  const uint32_t full_k = rows.k / kLanes * kLanes;
  const uint32_t tail = rows.k - full_k;
  alignas(32) float sums[kMaxK];
  for (uint32_t f = 0; f < padded_k; f += kLanes) {
    _mm256_store_ps(sums + f, _mm256_loadu_ps(sums_in + f));
  }
  double linear = 0.0;
  __m256 pairs = _mm256_setzero_ps();
  for (size_t i = 0; i < n; ++i) {
    if (slots[i] == kNoSlot) continue;
    const std::byte* row = rows.bytes + uint64_t{slots[i]} * rows.stride_bytes;
    linear += double{LoadFloat(row + kRowW)} * double{xs[i]};
    const __m256 x = _mm256_set1_ps(ScaledX<kQuantization>(row, xs[i]));
    __m256 row_pairs = _mm256_setzero_ps();
    const auto add = [&](uint32_t f, __m256 v) {
      const __m256 xv = _mm256_mul_ps(x, v);
      const __m256 sum = _mm256_load_ps(sums + f);
      row_pairs = _mm256_fmadd_ps(xv, sum, row_pairs);
      _mm256_store_ps(sums + f, _mm256_add_ps(sum, xv));
    };
    const std::byte* values = row + kRowValues;
    for (uint32_t f = 0; f < full_k; f += kLanes) {
      add(f, Load<kQuantization>(values + f * kValueBytes<kQuantization>));
    }
    if (tail != 0) {
      add(full_k, LoadTail<kQuantization>(values + full_k * kValueBytes<kQuantization>, tail));
    }
    pairs = _mm256_add_ps(pairs, row_pairs);
  }
  if (sums_out != nullptr) {
    for (uint32_t f = 0; f < padded_k; f += kLanes) {
      _mm256_storeu_ps(sums_out + f, _mm256_load_ps(sums + f));
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

// The sum of p times nibble of eight items of a block's plane, whose quads begin at `items` and at
// every 64 bytes after. Products of bytes are added in words, which four of nibbles cannot fill.
inline __m256i SumOfNibbles(const ScanContext& context, const std::byte* items,
                            const std::byte* next) {
  const __m256i low_bits = _mm256_set1_epi8(0x0f);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums = _mm256_setzero_si256();
  for (uint32_t pair = 0; pair < context.pairs_count; ++pair) {
    _mm_prefetch(reinterpret_cast<const char*>(next + pair * 64), _MM_HINT_T1);
    const __m256i bytes = _mm256_load_si256(reinterpret_cast<const __m256i*>(items + pair * 64));
    const __m256i low =
        _mm256_maddubs_epi16(_mm256_and_si256(bytes, low_bits),
                             _mm256_set1_epi32(static_cast<int>(context.quads[2 * pair])));
    const __m256i high =
        _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(bytes, 4), low_bits),
                             _mm256_set1_epi32(static_cast<int>(context.quads[2 * pair + 1])));
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_add_epi16(low, high), ones));
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

// Writes the scores of eight items; returns which of them are not below threshold - error.
inline uint32_t Score(const ScanContext& context, const ScanBlockHeader& header, __m256i sums,
                      const std::byte* biases, float threshold, float error, float* scores) {
  const __m256 eight =
      _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), _mm256_set1_ps(header.scale * context.scale),
                      _mm256_load_ps(reinterpret_cast<const float*>(biases)));
  _mm256_store_ps(scores, eight);
  return static_cast<uint32_t>(
      _mm256_movemask_ps(_mm256_cmp_ps(eight, _mm256_set1_ps(threshold - error), _CMP_NLT_UQ)));
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
  __m256 even = _mm256_setzero_ps();
  __m256 odd = _mm256_setzero_ps();
  for (size_t f = 0; f < padded_k; f += 2 * kLanes) {
    even = _mm256_fmadd_ps(_mm256_loadu_ps(a + f), _mm256_loadu_ps(b + f), even);
    odd = _mm256_fmadd_ps(_mm256_loadu_ps(a + f + kLanes), _mm256_loadu_ps(b + f + kLanes), odd);
  }
  return SumLanes(even) + SumLanes(odd);
}

size_t ScanHigh(const ScanContext& context, const ScanGroupPlanes& group, const uint64_t* filter,
                float threshold, ScanHit* hits) {
  const auto* headers = reinterpret_cast<const ScanBlockHeader*>(group.high);
  const size_t plane_bytes = context.pairs_count * size_t{64};
  const size_t block_bytes = plane_bytes + 64;
  const __m256i offset = _mm256_set1_epi32(context.high_offset);
  const std::byte* block = group.high + kScanHeadersBytes;
  size_t hits_count = 0;
  for (uint32_t b = 0; b < group.blocks_count; ++b, block += block_bytes) {
    const uint32_t wanted = Wanted(filter, b);
    if (wanted == 0) continue;
    const std::byte* const next = Next(filter, block, block_bytes, b, group.blocks_count);
    const float error = ErrorOf(context, headers[b], headers[b].residual_norm);
    ScanHit& hit = hits[hits_count];
    hit.mask = 0;
    for (uint32_t half = 0; half < 2; ++half) {
      const __m256i sums = _mm256_add_epi32(
          _mm256_slli_epi32(SumOfNibbles(context, block + half * 32, next + half * 32), 4), offset);
      hit.mask |= Score(context, headers[b], sums, block + plane_bytes + half * 32, threshold,
                        error, hit.scores + half * 8)
                  << (half * 8);
    }
    hit.mask &= wanted;
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
  const __m256i offset = _mm256_set1_epi32(context.offset);
  size_t kept = 0;
  for (size_t n = 0; n < hits_count; ++n) {
    const uint32_t b = hits[n].block;
    const std::byte* const high = group.high + kScanHeadersBytes + b * (plane_bytes + 64);
    const std::byte* const low = group.low + kScanLowHeadersBytes + b * plane_bytes;
    const float error = ErrorOf(context, headers[b], residual_norms[b]);
    ScanHit& hit = hits[kept];
    uint32_t found = 0;
    for (uint32_t half = 0; half < 2; ++half) {
      const std::byte* const eight = high + half * 32;
      const __m256i high_sums = _mm256_slli_epi32(SumOfNibbles(context, eight, eight), 4);
      const __m256i low_sums = SumOfNibbles(context, low + half * 32, low + half * 32);
      const __m256i sums = _mm256_add_epi32(_mm256_add_epi32(high_sums, low_sums), offset);
      found |= Score(context, headers[b], sums, eight + plane_bytes, threshold, error,
                     hit.scores + half * 8)
               << (half * 8);
    }
    hit.mask = hits[n].mask & found;
    if (hit.mask == 0) continue;
    hit.error = error;
    hit.block = b;
    ++kept;
  }
  return kept;
}

}  // namespace fmserve::model::avx2
