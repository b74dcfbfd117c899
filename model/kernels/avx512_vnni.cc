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

inline __m512i SumOfProducts(const ScanContext& context, const std::byte* block,
                             const std::byte* next) {
  __m512i even = _mm512_set1_epi32(context.offset);
  __m512i odd = _mm512_setzero_si512();
  uint32_t quad = 0;
  for (; quad + 2 <= context.quads_count; quad += 2) {
    const __m512i* items = reinterpret_cast<const __m512i*>(block) + quad;
    _mm_prefetch(reinterpret_cast<const char*>(next + quad * 64), _MM_HINT_T1);
    _mm_prefetch(reinterpret_cast<const char*>(next + quad * 64 + 64), _MM_HINT_T1);
    even = _mm512_dpbusd_epi32(even, _mm512_load_si512(items),
                               _mm512_set1_epi32(static_cast<int>(context.quads[quad])));
    odd = _mm512_dpbusd_epi32(odd, _mm512_load_si512(items + 1),
                              _mm512_set1_epi32(static_cast<int>(context.quads[quad + 1])));
  }
  if (quad < context.quads_count) {
    const __m512i* items = reinterpret_cast<const __m512i*>(block) + quad;
    even = _mm512_dpbusd_epi32(even, _mm512_load_si512(items),
                               _mm512_set1_epi32(static_cast<int>(context.quads[quad])));
  }
  return _mm512_add_epi32(even, odd);
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

}  // namespace

size_t ScanGroup(const ScanContext& context, const std::byte* group, uint32_t blocks_count,
                 const uint64_t* filter, float threshold, ScanHit* hits) {
  const auto* headers = reinterpret_cast<const ScanBlockHeader*>(group);
  const size_t items_bytes = context.quads_count * 64;
  const size_t block_bytes = items_bytes + 64;
  const std::byte* block = group + kScanHeadersBytes;
  size_t hits_count = 0;
  for (uint32_t b = 0; b < blocks_count; ++b, block += block_bytes) {
    const uint32_t wanted = Wanted(filter, b);
    if (wanted == 0) continue;
    const std::byte* const next = Next(filter, block, block_bytes, b, blocks_count);
    const ScanBlockHeader& header = headers[b];
    const float error = header.stored_norm * context.stored_norm_factor +
                        header.residual_norm * context.residual_norm_factor + header.bias_error;
    const __m512 scores =
        _mm512_fmadd_ps(_mm512_cvtepi32_ps(SumOfProducts(context, block, next)),
                        _mm512_set1_ps(header.scale * context.scale),
                        _mm512_load_ps(reinterpret_cast<const float*>(block + items_bytes)));
    const __mmask16 found = _mm512_mask_cmp_ps_mask(static_cast<__mmask16>(wanted), scores,
                                                    _mm512_set1_ps(threshold - error), _CMP_NLT_UQ);
    if (found == 0) continue;
    ScanHit& hit = hits[hits_count++];
    _mm512_store_ps(hit.scores, scores);
    hit.error = error;
    hit.block = b;
    hit.mask = found;
  }
  return hits_count;
}

}  // namespace fmserve::model::avx512_vnni
