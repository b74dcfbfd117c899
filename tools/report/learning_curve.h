// How the loss went while a model was trained.
#ifndef FMSERVE_TOOLS_REPORT_LEARNING_CURVE_H_
#define FMSERVE_TOOLS_REPORT_LEARNING_CURVE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/weight_file.h"

namespace fmserve::tools {

inline constexpr size_t kMaxCurveEpochs = 200;

struct LearningEpoch {
  uint32_t epoch = 0;                // from 1
  double train_loss = 0.0;           // logloss; for regression RMSE
  std::optional<double> valid_loss;  // the same of the validation rows
};

// Empty when nothing is known. Of longer runs every n-th epoch, so that there are at most
// kMaxCurveEpochs.
struct LearningCurve {
  std::vector<LearningEpoch> epochs;
  uint32_t best_epoch = 0;  // whose parameters were kept; 0: unknown
};

// From the metadata that `fm train` leaves in a weight file.
LearningCurve LearningCurveOf(const model::WeightFile& file);

// From what `fm train --json` printed. InvalidArgument names the path and says what is wrong;
// errors of the system.
absl::StatusOr<LearningCurve> ReadLearningCurve(const std::string& path, model::Task task);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_REPORT_LEARNING_CURVE_H_
