#include "model/field_factors.h"

#include <algorithm>
#include <cmath>

#include "model/kernels/kernels.h"

namespace fmserve::model {

FieldFactors::FieldFactors(const FieldMatrix& matrix)
    : rank_(matrix.rank), factors_(size_t{kMaxFields} * 2 * matrix.rank) {
  for (uint32_t r = 0; r < rank_; ++r) {
    const double scale = matrix.scales[r];
    signs_[r] = scale < 0.0 ? -1.0F : 1.0F;
    for (size_t field = 0; field < matrix.factors.size() / rank_; ++field) {
      const auto factor =
          static_cast<float>(std::sqrt(std::abs(scale)) * matrix.factors_of(field)[r]);
      float* const of_field = factors_.data() + field * 2 * rank_;
      of_field[r] = factor;
      of_field[rank_ + r] = signs_[r] * factor;
    }
  }
}

void FieldFactors::PackItem(const float* sums, uint32_t k, float* packed) const {
  for (uint32_t r = 0; r < rank_; ++r) std::copy_n(sums + r * PaddedK(k), k, packed + r * k);
}

void FieldFactors::PackContext(const float* sums, uint32_t k, float* packed) const {
  for (uint32_t r = 0; r < rank_; ++r) {
    std::transform(sums + r * PaddedK(k), sums + r * PaddedK(k) + k, packed + r * k,
                   [sign = signs_[r]](float sum) { return sign * sum; });
  }
}

}  // namespace fmserve::model
