// What lies where in a row, for code that may use constants only (README.md).
#ifndef FMSERVE_MODEL_KERNELS_ROW_OFFSETS_H_
#define FMSERVE_MODEL_KERNELS_ROW_OFFSETS_H_

#include <cstddef>

#include "model/types.h"
#include "model/weight_format.h"

namespace fmserve::model {

inline constexpr size_t kRowW = offsetof(format::RowPrefix, w);
inline constexpr size_t kRowScale = offsetof(format::RowPrefix, scale);
inline constexpr size_t kRowValues = sizeof(format::RowPrefix);

template <Quantization kQuantization>
inline constexpr size_t kValueBytes = kQuantization == Quantization::kF32   ? 4
                                      : kQuantization == Quantization::kF16 ? 2
                                                                            : 1;

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_KERNELS_ROW_OFFSETS_H_
