// What `fm train` and `fm tune` have in common: reading the rows, and writing what was learned.
#ifndef FMSERVE_TOOLS_TRAIN_STEPS_H_
#define FMSERVE_TOOLS_TRAIN_STEPS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/train_report.h"
#include "trainer/ranks.h"

namespace fmserve::tools {

// InvalidArgument when the options ask for what rows of this schema do not have.
absl::Status CheckFits(const TrainArguments& arguments, const trainer::TrainingSchema& schema);

// Reads schema, the model to go on from, training rows (a part of several ranks each) and, at rank
// 0, validation rows if they are given, and tells on standard error how far it is. Sets the task in
// `arguments`. Errors name file and line, or the option.
absl::StatusOr<TrainRun> ReadRows(TrainArguments& arguments, trainer::Ranks& ranks);

// Writes run.fit to arguments.out, whole or not at all. Sets the time of creation in `arguments`.
absl::Status WriteFile(TrainArguments& arguments, const TrainRun& run);

// The same, and then opens the file as a server would, and scores its goldens.
absl::StatusOr<trainer::GoldenReport> WriteModel(TrainArguments& arguments, const TrainRun& run);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TRAIN_STEPS_H_
