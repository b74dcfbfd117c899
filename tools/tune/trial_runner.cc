#include "tools/tune/trial_runner.h"

#include <cmath>
#include <filesystem>
#include <system_error>

#include "tools/tune/trial_options.h"

namespace fmserve::tools {
namespace {

// A rung that takes longer leaves something on its way, too.
constexpr double kCheckpointEverySeconds = 60.0;

std::optional<double> MetricOf(const TrainArguments& arguments, const trainer::FitResult& fit) {
  if (fit.diverged || fit.best_epoch == 0) return std::nullopt;
  const trainer::Metrics& valid = *fit.best().valid;
  if (arguments.fit.stop_on == trainer::StopMetric::kAuc) return valid.auc;
  return trainer::Loss(arguments.fit.learner.task, valid);
}

}  // namespace

TrialRunner::TrialRunner(const TrialPlan& plan, const TrainRun& run)
    : plan_(plan),
      run_(run),
      keys_(run.data.vocabulary.keys()),
      fields_(run.data.vocabulary.fields()),
      shelf_(plan.checkpoint_folder, plan.checkpoint_limit_bytes,
             static_cast<uint32_t>(plan.rung_epochs.size() - 1)) {}

absl::StatusOr<TrainArguments> TrialRunner::ArgumentsOf(const trainer::TrialJob& job) const {
  TrainArguments arguments = plan_.base;
  const absl::Status status = SetTrialOptions(plan_.trials[job.trial], arguments);
  if (!status.ok()) return status;
  arguments.fit.epochs = plan_.rung_epochs[job.rung];
  return arguments;
}

absl::StatusOr<trainer::FitResult> TrialRunner::Learned(const trainer::TrialJob& job) const {
  const absl::StatusOr<TrainArguments> arguments = ArgumentsOf(job);
  if (!arguments.ok()) return arguments.status();
  const trainer::CheckpointOptions checkpoint = {.path = shelf_.PathOf(job.trial),
                                                 .every_seconds = kCheckpointEverySeconds};
  const auto fit = [&] {
    trainer::OneRank alone;
    return trainer::Fit(arguments->fit,
                        {.keys = keys_,
                         .train = run_.data.examples,
                         .valid = &*run_.valid,
                         .fields = {.of_rows = fields_, .count = run_.data.schema.size()}},
                        {}, checkpoint, alone);
  };
  absl::StatusOr<trainer::FitResult> result = fit();
  const bool is_of_no_use =
      absl::IsDataLoss(result.status()) || absl::IsFailedPrecondition(result.status());
  if (!is_of_no_use) return result;
  std::error_code ignored;
  std::filesystem::remove(checkpoint.path, ignored);
  return fit();
}

absl::StatusOr<trainer::TrialResult> TrialRunner::Run(const trainer::TrialJob& job) {
  const absl::StatusOr<TrainArguments> arguments = ArgumentsOf(job);
  if (!arguments.ok()) return arguments.status();
  const absl::StatusOr<trainer::FitResult> fit = Learned(job);
  if (!fit.ok()) return fit.status();
  trainer::TrialResult result = {.job = job,
                                 .epochs = static_cast<uint32_t>(fit->epochs.size()),
                                 .best_epoch = fit->best_epoch,
                                 .metric = MetricOf(*arguments, *fit)};
  const uint32_t before = job.rung == 0 ? 0 : plan_.rung_epochs[job.rung - 1];
  for (const trainer::EpochReport& report : fit->epochs) {
    if (report.epoch > before) result.seconds += report.seconds;
  }
  return result;
}

void TrialRunner::Shelve(const trainer::TrialResult& result) {
  std::optional<double> loss = result.metric;
  if (loss && plan_.base.fit.stop_on == trainer::StopMetric::kAuc) loss = -*loss;
  const std::lock_guard lock(mutex_);
  shelf_.Put(result.job.trial, result.job.rung, loss);
}

void TrialRunner::KeepBest() {
  const std::lock_guard lock(mutex_);
  shelf_.KeepBest();
}

}  // namespace fmserve::tools
