// Parameters of a factorization machine as the learner's steps see them.
#ifndef FMSERVE_TRAINER_FM_VIEW_H_
#define FMSERVE_TRAINER_FM_VIEW_H_

#include <cstddef>

#include "model/types.h"

namespace fmserve::trainer {

inline constexpr size_t kLanes = 8;  // factors of a block
inline constexpr size_t kMaxBlocks = (model::kMaxK + kLanes - 1) / kLanes;

// 8 factors of one feature and, beside them, the sums of their squared gradients: one cache line.
struct alignas(64) FactorBlock {
  float v[kLanes];
  float g2[kLanes];
};

struct LinearWeight {
  float w;
  float g2;
};

// Where the parameters lie, and the options of a step.
struct FmView {
  bool binary;
  float learning_rate;
  float linear_learning_rate;
  float l2_linear;
  float l2_factors;
  size_t blocks;  // per feature
  LinearWeight* w0;
  LinearWeight* linear;
  FactorBlock* factors;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_FM_VIEW_H_
