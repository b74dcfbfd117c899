// Calibration: from scores that rank well to probabilities that are right on average.
#ifndef FMSERVE_TRAINER_PLATT_H_
#define FMSERVE_TRAINER_PLATT_H_

#include <span>

#include "absl/status/statusor.h"
#include "model/types.h"

namespace fmserve::trainer {

// The line whose sigmoid has the least logloss on the rows (Platt 1999), by Newton's method (Lin,
// Lin and Weng 2007). Labels are 0 or 1, as many as scores; each row counts as much as its weight,
// which is 0 or more; all alike when `weights` is empty. As in these papers labels are drawn in by
// a hair, so that the line is finite where the scores tell the labels apart without fault.
// O(rows) and a few dozen passes. InvalidArgument: a score that is not finite, rows that count
// all with one label, or all with one score. FailedPrecondition: the higher the score, the fewer
// the clicks; a line with that slope is refused by the file.
absl::StatusOr<model::Calibration> FitPlatt(std::span<const float> scores,
                                            std::span<const float> labels,
                                            std::span<const float> weights = {});

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_PLATT_H_
