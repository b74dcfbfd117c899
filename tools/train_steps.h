// What `fm train` and `fm tune` have in common: reading the rows, and writing what was learned.
#ifndef FMSERVE_TOOLS_TRAIN_STEPS_H_
#define FMSERVE_TOOLS_TRAIN_STEPS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/train_report.h"

namespace fmserve::tools {

// InvalidArgument when the options ask for what rows of this schema do not have.
absl::Status CheckFits(const TrainArguments& arguments, const trainer::TrainingSchema& schema);

// Reads schema, the model to go on from, training rows and, if they are given, validation rows, and
// tells on standard error how far it is. Sets the task in `arguments`. Errors name file and line,
// or the option.
absl::StatusOr<TrainRun> ReadRows(TrainArguments& arguments);

// Writes run.fit to arguments.out, opens the file as a server would, and scores its goldens. Sets
// the time of creation in `arguments`.
absl::StatusOr<trainer::GoldenReport> WriteModel(TrainArguments& arguments, const TrainRun& run);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TRAIN_STEPS_H_
