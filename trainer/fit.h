// Learning from beginning to end: epochs, validation, early stopping.
#ifndef FMSERVE_TRAINER_FIT_H_
#define FMSERVE_TRAINER_FIT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

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
};

struct FitResult {
  Parameters parameters;  // of the best epoch
  std::vector<EpochReport> epochs;
  uint32_t best_epoch = 0;

  const EpochReport& best() const { return epochs[best_epoch - 1]; }
};

// Trains features with these keys (Learner) on `train` and keeps the parameters after the epoch
// with the best metric on `valid`; with no `valid` runs all epochs and keeps the last. Without an
// AUC (all labels of `valid` are alike) no epoch is better than another. Stops early when the loss
// is no longer a finite number: FitResult then ends in that epoch, and best_epoch is 0 if none
// before was validated. `train` is not empty; epochs >= 1. Callbacks may be empty. `fields`: of a
// field-weighted model.
FitResult Fit(const FitOptions& options, std::span<const uint64_t> keys, const Examples& train,
              const Examples* valid, const FitObserver& observer, const RowFields& fields = {});

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_FIT_H_
