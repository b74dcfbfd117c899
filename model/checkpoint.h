// A place in a long operation where its caller may stop it, or make it wait.
#ifndef FMSERVE_MODEL_CHECKPOINT_H_
#define FMSERVE_MODEL_CHECKPOINT_H_

#include <cstddef>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace fmserve::model {

// Called between pieces of work; an error ends the operation, which returns it.
using Checkpoint = absl::FunctionRef<absl::Status()>;

// What an operation reads at most between two checkpoints: some ten microseconds of work.
inline constexpr size_t kCheckpointBytes = size_t{128} << 10;

inline absl::Status NeverStop() { return absl::OkStatus(); }

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_CHECKPOINT_H_
