// The bound that int8_rows.h states, for the tests of what has to keep it.
#ifndef FMSERVE_TESTS_MODEL_INT8_BOUND_H_
#define FMSERVE_TESTS_MODEL_INT8_BOUND_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "model/int8_rows.h"

namespace fmserve::model {

// What the score of an item of factors `v` in int8 may be off by in a context with the sums `u`.
inline double Int8Bound(std::span<const float> v, std::span<const float> u, double context_score,
                        double bias) {
  double v_largest = 0.0;
  double u_largest = 0.0;
  double u_sum = 0.0;
  for (size_t f = 0; f < v.size(); ++f) {
    v_largest = std::max(v_largest, std::abs(double{v[f]}));
    u_largest = std::max(u_largest, std::abs(double{u[f]}));
    u_sum += std::abs(double{u[f]});
  }
  const auto k = static_cast<uint32_t>(v.size());
  const double units = Int8RowInLowBits(k) ? 1.0 : 0.5;
  return v_largest / 127 * (units * u_sum + k * u_largest / 255) +
         0x1p-21 * (std::abs(context_score) + std::abs(bias));
}

}  // namespace fmserve::model

#endif  // FMSERVE_TESTS_MODEL_INT8_BOUND_H_
