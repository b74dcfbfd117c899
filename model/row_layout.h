// Where rows lie in memory: what the kernels, the scorer and the dictionary need to know of a
// weight file.
#ifndef FMSERVE_MODEL_ROW_LAYOUT_H_
#define FMSERVE_MODEL_ROW_LAYOUT_H_

#include <cstddef>
#include <cstdint>

#include "model/types.h"

namespace fmserve::model {

// Of one value of v: 4, 2 or 1.
uint32_t BytesPerValue(Quantization quantization);

// The stride of a row: 16 bytes of prefix plus k values, rounded up to 32, 64 or a multiple of 64
// bytes, so that a row never touches more cache lines than its width needs. 1 <= k <= kMaxK.
uint32_t RowStrideBytes(Quantization quantization, uint32_t k);

inline constexpr uint32_t kNoSlot = 0xffffffff;  // where a feature without a row lies

// Unowned, immutable view of the rows section. `bytes` is 64-byte aligned.
struct RowsView {
  const std::byte* bytes = nullptr;
  uint64_t slots_count = 0;
  uint32_t stride_bytes = 0;
  uint32_t k = 0;
  Quantization quantization = Quantization::kF32;

  const std::byte* row(uint64_t slot) const { return bytes + slot * stride_bytes; }
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_ROW_LAYOUT_H_
