#include "model/row_layout.h"

#include "model/weight_format.h"

namespace fmserve::model {

uint32_t BytesPerValue(Quantization quantization) {
  switch (quantization) {
    case Quantization::kF32:
      return 4;
    case Quantization::kF16:
      return 2;
    case Quantization::kInt8:
      return 1;
  }
  return 4;
}

uint32_t RowStrideBytes(Quantization quantization, uint32_t k) {
  const uint32_t used = sizeof(format::RowPrefix) + k * BytesPerValue(quantization);
  return used <= 32 ? 32 : (used + 63) / 64 * 64;
}

}  // namespace fmserve::model
