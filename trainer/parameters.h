// What is learned: the parameters of a factorization machine, plain or field-weighted.
#ifndef FMSERVE_TRAINER_PARAMETERS_H_
#define FMSERVE_TRAINER_PARAMETERS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "model/field_matrix.h"
#include "trainer/examples.h"

namespace fmserve::trainer {

// Row r belongs to feature r of the vocabulary.
struct Parameters {
  uint32_t k = 0;
  double w0 = 0.0;
  std::vector<float> w;                              // [rows]
  std::vector<float> v;                              // [rows * k]
  std::optional<model::FieldMatrix> field_matrix{};  // set: the model is field-weighted

  size_t rows() const { return w.size(); }
  std::span<const float> factors(size_t row) const { return {v.data() + row * k, k}; }
  std::span<float> factors(size_t row) { return {v.data() + row * k, k}; }
};

// The score (before the link) in double precision, by the formula of Rendle 2010, in a
// field-weighted model once per rank. `fields`: those of the entries' features, as many; without a
// field matrix they may be missing. O(entries * k * rank).
double Score(const Parameters& parameters, std::span<const Entry> entries,
             std::span<const uint8_t> fields = {});

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_PARAMETERS_H_
