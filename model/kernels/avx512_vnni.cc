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

inline __m512i SumOfProducts(const ScanContext& context, const std::byte* block) {
  __m512i even = _mm512_set1_epi32(context.offset);
  __m512i odd = _mm512_setzero_si512();
  uint32_t quad = 0;
  for (; quad + 2 <= context.quads_count; quad += 2) {
    const __m512i* items = reinterpret_cast<const __m512i*>(block) + quad;
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

}  // namespace

size_t ScanGroup(const ScanContext& context, const std::byte* group, uint32_t blocks_count,
                 const uint64_t* filter, float threshold, ScanHit* hits) {
  const auto* headers = reinterpret_cast<const ScanBlockHeader*>(group);
  const size_t items_bytes = context.quads_count * 64;
  const std::byte* block = group + kScanHeadersBytes;
  size_t hits_count = 0;
  for (uint32_t b = 0; b < blocks_count; ++b, block += items_bytes + 64) {
    uint32_t wanted = 0xffff;
    if (filter != nullptr) wanted = (filter[b / 4] >> (b % 4 * 16)) & 0xffff;
    if (wanted == 0) continue;
    const ScanBlockHeader& header = headers[b];
    const float error = header.stored_norm * context.stored_norm_factor +
                        header.residual_norm * context.residual_norm_factor + header.bias_error;
    const __m512 scores =
        _mm512_fmadd_ps(_mm512_cvtepi32_ps(SumOfProducts(context, block)),
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
