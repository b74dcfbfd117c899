// What is learned: the parameters of a factorization machine.
#ifndef FMSERVE_TRAINER_PARAMETERS_H_
#define FMSERVE_TRAINER_PARAMETERS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "trainer/examples.h"

namespace fmserve::trainer {

// Row r belongs to feature r of the vocabulary.
struct Parameters {
  uint32_t k = 0;
  double w0 = 0.0;
  std::vector<float> w;  // [rows]
  std::vector<float> v;  // [rows * k]

  size_t rows() const { return w.size(); }
  std::span<const float> factors(size_t row) const { return {v.data() + row * k, k}; }
  std::span<float> factors(size_t row) { return {v.data() + row * k, k}; }
};

// The score (before the link) in double precision, by the formula of Rendle 2010. O(entries * k).
double Score(const Parameters& parameters, std::span<const Entry> entries);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_PARAMETERS_H_
