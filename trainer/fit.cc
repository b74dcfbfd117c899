#include "trainer/fit.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "trainer/checkpoint.h"

namespace fmserve::trainer {
namespace {

using Clock = std::chrono::steady_clock;

EpochReport RunEpoch(uint32_t epoch, const Examples& train, const FitObserver& observer,
                     Learner& learner) {
  Learner::Progress progress;
  if (observer.progress) {
    progress = [&](size_t examples) { observer.progress(epoch, examples); };
  }
  EpochReport report;
  report.epoch = epoch;
  const Clock::time_point start = Clock::now();
  report.train_loss = learner.RunEpoch(train, progress);
  report.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return report;
}

Metrics Validate(model::Task task, const Examples& valid, Learner& learner) {
  std::vector<float> predictions(valid.size());
  learner.Predict(valid, predictions);
  return ComputeMetrics(task, predictions, valid.labels, valid.weights);
}

// The smaller, the better.
double Badness(StopMetric metric, model::Task task, const Metrics& valid) {
  return metric == StopMetric::kAuc ? -valid.auc.value_or(0.0) : Loss(task, valid);
}

// A training under way.
class Training {
 public:
  Training(const FitOptions& options, const FitData& data, const FitObserver& observer)
      : options_(options),
        train_(data.train),
        valid_(data.valid),
        observer_(observer),
        learner_(options.learner, data.keys, train_.labels, train_.weights, data.fields) {
    if (options.start) options.start(learner_);
  }

  // Goes on behind the epochs of `result`, whose learner is learner().
  void GoOn(FitResult result) {
    result_ = std::move(result);
    if (result_.best_epoch == 0) return;
    const EpochReport& best = result_.best();
    best_ = valid_ == nullptr ? best.train_loss : BadnessOf(best);
    if (result_.best_epoch == epochs()) result_.parameters = learner_.parameters();
    if (observer_.resumed) observer_.resumed(result_.epochs.back());
  }

  bool Done() const {
    return result_.diverged || epochs() >= options_.epochs ||
           epochs() - result_.best_epoch >= options_.patience;
  }

  void RunEpoch() {
    EpochReport report = trainer::RunEpoch(epochs() + 1, train_, observer_, learner_);
    double loss = report.train_loss;
    // Parameters without a finite loss have no predictions worth validating.
    if (valid_ != nullptr && std::isfinite(report.train_loss)) {
      report.valid = Validate(options_.learner.task, *valid_, learner_);
      loss = BadnessOf(report);
    }
    result_.diverged = !std::isfinite(report.train_loss) || !std::isfinite(loss);
    report.best = !result_.diverged && (valid_ == nullptr || loss < best_);
    if (report.best) {
      best_ = loss;
      result_.best_epoch = report.epoch;
      // Without validation only the last epoch counts.
      if (valid_ != nullptr || report.epoch == options_.epochs) {
        result_.parameters = learner_.parameters();
      }
    }
    result_.epochs.push_back(report);
    if (observer_.epoch_done) observer_.epoch_done(report);
    if (result_.diverged && valid_ == nullptr) result_.best_epoch = 0;
  }

  Learner& learner() { return learner_; }
  FitResult& result() { return result_; }

 private:
  uint32_t epochs() const { return static_cast<uint32_t>(result_.epochs.size()); }
  double BadnessOf(const EpochReport& report) const {
    return Badness(options_.stop_on, options_.learner.task, *report.valid);
  }

  const FitOptions& options_;
  const Examples& train_;
  const Examples* valid_;
  const FitObserver& observer_;
  Learner learner_;
  FitResult result_;
  double best_ = std::numeric_limits<double>::infinity();
};

}  // namespace

FitResult Fit(const FitOptions& options, const FitData& data, const FitObserver& observer) {
  Training training(options, data, observer);
  while (!training.Done()) training.RunEpoch();
  return std::move(training.result());
}

absl::StatusOr<FitResult> Fit(const FitOptions& options, const FitData& data,
                              const FitObserver& observer, const CheckpointOptions& checkpoint) {
  Training training(options, data, observer);
  const RunIdentity identity = IdentityOf(options, data.train, data.valid, training.learner());
  absl::StatusOr<std::optional<FitResult>> left = ReadCheckpoint(
      checkpoint.path, identity, options.epochs, data.train.size(), training.learner());
  if (!left.ok()) return left.status();
  if (left->has_value()) training.GoOn(**std::move(left));
  Clock::time_point written = Clock::now();
  while (!training.Done()) {
    training.RunEpoch();
    const double seconds = std::chrono::duration<double>(Clock::now() - written).count();
    if (training.result().diverged || (seconds < checkpoint.every_seconds && !training.Done()))
      continue;
    const absl::Status status =
        WriteCheckpoint(checkpoint.path, identity, training.result(), training.learner());
    if (!status.ok()) return status;
    written = Clock::now();
  }
  return std::move(training.result());
}

}  // namespace fmserve::trainer
