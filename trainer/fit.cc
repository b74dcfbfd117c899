#include "trainer/fit.h"

#include <chrono>
#include <cmath>
#include <limits>

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

}  // namespace

FitResult Fit(const FitOptions& options, std::span<const uint64_t> keys, const Examples& train,
              const Examples* valid, const FitObserver& observer, const RowFields& fields) {
  const model::Task task = options.learner.task;
  Learner learner(options.learner, keys, train.labels, train.weights, fields);
  if (options.start) options.start(learner);
  FitResult result;
  double best_loss = std::numeric_limits<double>::infinity();
  for (uint32_t epoch = 1; epoch <= options.epochs; ++epoch) {
    EpochReport report = RunEpoch(epoch, train, observer, learner);
    double loss = report.train_loss;
    // Parameters without a finite loss have no predictions worth validating.
    if (valid != nullptr && std::isfinite(report.train_loss)) {
      report.valid = Validate(task, *valid, learner);
      loss = Badness(options.stop_on, task, *report.valid);
    }
    const bool finite = std::isfinite(report.train_loss) && std::isfinite(loss);
    report.best = finite && (valid == nullptr || loss < best_loss);
    if (report.best) {
      best_loss = loss;
      result.best_epoch = epoch;
      // Without validation only the last epoch counts.
      if (valid != nullptr || epoch == options.epochs) result.parameters = learner.parameters();
    }
    result.epochs.push_back(report);
    if (observer.epoch_done) observer.epoch_done(report);
    if (!finite && valid == nullptr) result.best_epoch = 0;
    if (!finite || epoch - result.best_epoch >= options.patience) break;
  }
  return result;
}

}  // namespace fmserve::trainer
