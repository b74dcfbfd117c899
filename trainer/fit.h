// Learning from beginning to end: epochs, validation, early stopping.
#ifndef FMSERVE_TRAINER_FIT_H_
#define FMSERVE_TRAINER_FIT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer/examples.h"
#include "trainer/learner.h"
#include "trainer/metrics.h"
#include "trainer/parameters.h"

namespace fmserve::trainer {

// What the validation rows are to tell: the smallest loss (logloss or RMSE, by the task), or the
// largest AUC.
enum class StopMetric : uint8_t { kLoss, kAuc };

struct FitOptions {
  LearnerOptions learner;
  uint32_t epochs = 30;   // at most
  uint32_t patience = 2;  // stop after so many epochs in a row without a better validation
  StopMetric stop_on = StopMetric::kLoss;  // kAuc: of a binary task
  std::function<void(Learner&)> start{};   // called before the first epoch; may be empty
};

struct EpochReport {
  uint32_t epoch = 0;       // from 1
  double train_loss = 0.0;  // as Learner::RunEpoch returns it
  double seconds = 0.0;     // of training, without validation
  std::optional<Metrics> valid;
  std::optional<double>
      bayesian_rmse{};  // of Gibbs sampling (gibbs.h): the mean prediction on valid
  bool best = false;    // so far
};

struct FitObserver {
  std::function<void(uint32_t epoch, size_t examples)> progress;  // examples done in this epoch
  std::function<void(const EpochReport&)> epoch_done;
  std::function<void(const EpochReport& last)> resumed{};  // behind this epoch of a checkpoint
};

struct FitResult {
  Parameters parameters;  // of the best epoch
  std::vector<EpochReport> epochs;
  uint32_t best_epoch = 0;
  bool diverged = false;  // the loss of the last epoch is no finite number

  const EpochReport& best() const { return epochs[best_epoch - 1]; }
};

// What is learned from; all must outlive the call.
struct FitData {
  std::span<const uint64_t> keys;   // of the features, by row (Learner)
  const Examples& train;            // not empty
  const Examples* valid = nullptr;  // null: all epochs are run, and the last one is kept
  RowFields fields{};               // of a field-weighted model
};

// Trains on data.train and keeps the parameters after the epoch with the best metric on data.valid.
// Without an AUC (all labels of `valid` are alike) no epoch is better than another. Stops early
// when the loss is no longer a finite number: FitResult then ends in that epoch, and best_epoch is
// 0 if none before was validated. epochs >= 1. Callbacks may be empty.
FitResult Fit(const FitOptions& options, const FitData& data, const FitObserver& observer);

// Where training leaves what it takes to go on after it was killed (checkpoint.h).
struct CheckpointOptions {
  std::string path;
  double every_seconds = 0.0;  // after an epoch, if so much time has passed since the last one
};

// The same, from where the checkpoint is, if there is one: with one thread the result is, bit by
// bit, that of a training that nobody interrupted. Epochs, patience and threads may differ from
// those of the run that wrote it. Leaves a checkpoint now and then and behind the last epoch, but
// none of a loss that is not finite. Errors of ReadCheckpoint and WriteCheckpoint.
absl::StatusOr<FitResult> Fit(const FitOptions& options, const FitData& data,
                              const FitObserver& observer, const CheckpointOptions& checkpoint);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_FIT_H_
