// What makes a factorization machine field-weighted (Pan et al., "Field-weighted Factorization
// Machines for Click-Through Rate Prediction in Display Advertising", WWW 2018): how much two
// features interact depends on their fields, by a matrix of low rank (Shtoff et al., "Low Rank
// Field-Weighted Factorization Machines for Low Latency Item Recommendation", RecSys 2024).
//
//   score(x) = w0 + sum_i w_i x_i + sum_{i<j} R(f_i, f_j) <v_i, v_j> x_i x_j
//   R(f, g)  = sum_r e_r u_fr u_gr
//
// A plain factorization machine has rank 1, e = 1 and u = 1 in all fields
// (docs/decisions/0069-field-weighted-models.md).
#ifndef FMSERVE_MODEL_FIELD_MATRIX_H_
#define FMSERVE_MODEL_FIELD_MATRIX_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fmserve::model {

inline constexpr uint32_t kMaxFieldRank = 16;

struct FieldMatrix {
  uint32_t rank = 0;             // 1 to kMaxFieldRank
  std::vector<float> scales{};   // e: `rank` numbers of any sign
  std::vector<float> factors{};  // u: `rank` numbers per field, in the order of the schema

  std::span<const float> factors_of(size_t field) const {
    return {factors.data() + field * rank, rank};
  }

  // R(field, other). R(field, field) weighs the interactions of two features of one field.
  double Weight(size_t field, size_t other) const;

  bool operator==(const FieldMatrix&) const = default;
};

// Whether `matrix` belongs to a model of `fields_count` fields and `k` factors: rank and sizes
// fit, rank * k <= kMaxK, and all scales, factors and e_r u_fr^2 are finite floats, so that all of
// R is. InvalidArgument says what is not.
absl::Status CheckFieldMatrix(const FieldMatrix& matrix, size_t fields_count, uint32_t k);

// The bytes of the section (WEIGHT_FORMAT.md), and back, checked as above: DataLoss says what is
// wrong.
std::string SerializeFieldMatrix(const FieldMatrix& matrix);
absl::StatusOr<FieldMatrix> ParseFieldMatrix(std::string_view bytes, size_t fields_count,
                                             uint32_t k);

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_FIELD_MATRIX_H_
