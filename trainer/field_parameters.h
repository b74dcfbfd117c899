// The field matrix of a field-weighted model while it is learned.
#ifndef FMSERVE_TRAINER_FIELD_PARAMETERS_H_
#define FMSERVE_TRAINER_FIELD_PARAMETERS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/field_matrix.h"
#include "trainer/field_step.h"

namespace fmserve::trainer {

// Which field each feature is of.
struct RowFields {
  std::span<const uint8_t> of_rows{};  // each below `count`
  size_t count = 0;                    // of the schema; at most model::kMaxFields
};

struct FieldOptions {
  uint32_t rank = 0;            // of the field matrix, 1 to model::kMaxFieldRank; 0: a plain FM
  double learning_rate = 0.02;  // of u and e; > 0
  double init_stddev = 0.3;     // see FieldParameters; >= 0
};

// The first rank starts as a plain factorization machine: e = 1, u = 1 in all fields. The others
// start at e = -1 and 1 by turns, and u as N(0, init_stddev), which depends on the seed and the
// position of the field alone. The sums of squared gradients start at 1 and soon forget it: every
// example adds to them.
class FieldParameters {
 public:
  FieldParameters(const FieldOptions& options, const RowFields& fields, uint64_t seed);

  // The rates are those of the view. It is valid as long as this.
  FieldWeightedView View(const FmView& fm, float learning_rate);

  // Where to begin instead; of the same rank and fields.
  void Set(const model::FieldMatrix& matrix);

  model::FieldMatrix matrix() const;

  // All that steps change (Learner::State).
  std::vector<std::span<std::byte>> State();

 private:
  const uint32_t rank_;
  const size_t fields_count_;
  std::vector<uint8_t> field_of_row_;
  std::vector<RankBlock> u_;
  std::vector<RankBlock> e_;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_FIELD_PARAMETERS_H_
