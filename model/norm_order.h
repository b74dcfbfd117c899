// Sorts items by norm. Internal to model/.
#ifndef FMSERVE_MODEL_NORM_ORDER_H_
#define FMSERVE_MODEL_NORM_ORDER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint.h"

namespace fmserve::model {

// The indices of `norms`, not negative and not NaN, by norm descending, equal ones ascending. A
// radix sort, because it can stop at checkpoints; their errors are returned.
absl::StatusOr<std::vector<uint32_t>> OrderByNorm(std::span<const float> norms,
                                                  Checkpoint checkpoint);

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_NORM_ORDER_H_
