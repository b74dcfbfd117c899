// The field matrix as kernels take it, and the sums that they make of it. Internal to model/.
#ifndef FMSERVE_MODEL_FIELD_FACTORS_H_
#define FMSERVE_MODEL_FIELD_FACTORS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/field_matrix.h"
#include "model/kernels/kernels.h"
#include "model/types.h"

namespace fmserve::model {

// Floats that hold the sums of all ranks, each padded: rank * k <= kMaxK, and the padding is below
// kMaxFieldRank * 16 = kMaxK.
inline constexpr size_t kMaxRankedSums = 2 * kMaxK;

// Immutable; safe from any thread.
//
// A matrix is the same when e_r is four times as large and u_r half as large. Here |e_r| goes into
// the factors, sqrt(|e_r|) u_fr, and only the sign remains: so the vectors of items and of contexts
// are of the same size, which the bounds of a catalogue's scan are tightest for.
class FieldFactors {
 public:
  FieldFactors() = default;  // of a plain factorization machine: empty
  explicit FieldFactors(const FieldMatrix& matrix);

  bool empty() const { return rank_ == 0; }
  uint32_t rank() const { return rank_; }

  // Defined for every field that a number of 8 bits can name: fields that the schema does not have
  // do not interact.
  FieldFactorsView view() const { return {.factors = factors_.data(), .rank = rank_}; }

  // What stands behind each other in `packed` (rank * k floats) has the padding of PaddedK(k)
  // between ranks in `sums`, as kernels leave them. A score is the inner product of one packed item
  // and one packed context, which has the signs.
  void PackItem(const float* sums, uint32_t k, float* packed) const;
  void PackContext(const float* sums, uint32_t k, float* packed) const;

 private:
  uint32_t rank_ = 0;
  std::array<float, kMaxFieldRank> signs_ = {};
  std::vector<float> factors_;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_FIELD_FACTORS_H_
