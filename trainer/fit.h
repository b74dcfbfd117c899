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
#include "trainer/ranks.h"
#include "trainer/training_rows.h"

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
  // Of several ranks: their parameters are averaged when each has trained on so many of its rows.
  uint64_t average_every_rows = 500;
};

struct EpochReport {
  uint32_t epoch = 0;       // from 1
  double train_loss = 0.0;  // as Epochs::Run returns it
  double seconds = 0.0;     // of training, without validation
  std::optional<Metrics> valid;
  std::optional<double>
      bayesian_rmse{};  // of Gibbs sampling (gibbs.h): the mean prediction on valid
  bool best = false;    // so far
};

struct FitResult {
  Parameters parameters;  // of the best epoch
  std::vector<EpochReport> epochs;
  uint32_t best_epoch = 0;
  bool diverged = false;  // the loss of the last epoch is no finite number
  bool stopped = false;   // FitObserver::stop said so

  const EpochReport& best() const { return epochs[best_epoch - 1]; }
};

struct FitObserver {
  std::function<void(uint32_t epoch, size_t examples)> progress;  // examples done in this epoch
  std::function<void(const EpochReport&)> epoch_done;
  std::function<void(const EpochReport& last)> resumed{};  // behind this epoch of a checkpoint
  std::function<bool()> stop{};  // whether to end behind the epoch that was just done
  // After an epoch that is the best so far (without validation: after each), with its parameters
  // and all epochs up to it. An error ends the training.
  std::function<absl::Status(FitResult& so_far)> best{};
};

// What is learned from; all must outlive the call.
struct FitData {
  std::span<const uint64_t> keys;   // of the features, by row (Learner)
  TrainingRows train;               // not empty
  const Examples* valid = nullptr;  // null: all epochs are run, and the last one is kept
  RowFields fields{};               // of a field-weighted model
};

// Trains on data.train and keeps the parameters after the epoch with the best metric on data.valid.
// Without an AUC (all labels of `valid` are alike) no epoch is better than another. Stops early
// when the loss is no longer a finite number: FitResult then ends in that epoch, and best_epoch is
// 0 if none before was validated. epochs >= 1. Callbacks may be empty; observer.best is.
FitResult Fit(const FitOptions& options, const FitData& data, const FitObserver& observer);

// Where training leaves what it takes to go on after it was killed (checkpoint.h).
struct CheckpointOptions {
  std::string path;            // "": nowhere
  double every_seconds = 0.0;  // after an epoch, if so much time has passed since the last one
};

// The same of several ranks, each with its own rows to learn from (dataset.h), and from where the
// checkpoint is, if there is one.
//
// Ranks run epochs as epochs.h says, with the same options and keys. Only rank 0 has rows to
// validate with, checkpoint, `best`, `epoch_done` and, in the result, parameters; `stop` is asked
// at all, and one is enough.
//
// With a checkpoint and one thread the result is, bit by bit, that of a training that nobody
// interrupted. Epochs, patience and threads may differ from those of the run that wrote it. Leaves
// a checkpoint now and then and behind the last epoch, but none of a loss that is not finite.
//
// Errors of TrainingRows, ReadCheckpoint, WriteCheckpoint, observer.best and Ranks: after each of
// them the other ranks wait in vain, until Ranks::EndAll.
absl::StatusOr<FitResult> Fit(const FitOptions& options, const FitData& data,
                              const FitObserver& observer, const CheckpointOptions& checkpoint,
                              Ranks& ranks);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_FIT_H_
