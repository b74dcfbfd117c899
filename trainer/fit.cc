#include "trainer/fit.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "trainer/checkpoint.h"
#include "trainer/epochs.h"

namespace fmserve::trainer {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
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

// What all ranks know of an epoch, so that all decide alike.
struct Verdict {
  double loss = 0.0;       // that counts: of validation if there is any
  bool validates = false;  // rank 0 has rows for that
  bool stop = false;
};

// Called by all; rank 0 alone gives what it found in validation, and the others 0.
absl::StatusOr<Verdict> Agree(Verdict verdict, double train_loss, Ranks& ranks) {
  double sums[] = {verdict.loss, verdict.validates ? 1.0 : 0.0, verdict.stop ? 1.0 : 0.0};
  if (absl::Status status = ranks.SumInPlace(std::span<double>(sums)); !status.ok()) return status;
  verdict.validates = sums[1] > 0.0;
  verdict.stop = sums[2] > 0.0;
  verdict.loss = verdict.validates ? sums[0] : train_loss;
  return verdict;
}

// A training under way, the same at all ranks. Only rank 0 has reports of validation.
class Training {
 public:
  Training(const FitOptions& options, const FitData& data, const FitObserver& observer,
           Ranks& ranks)
      : options_(options),
        valid_(data.valid),
        observer_(observer),
        ranks_(ranks),
        learner_(options.learner, data.keys, data.train.totals(), data.fields),
        epochs_(options.learner.seed, ranks, data.train, data.keys.size(), learner_) {
    if (options.start) options.start(learner_);
  }

  absl::Status Start() { return epochs_.Start(options_.average_every_rows); }

  // Goes on behind the epochs of `result`, whose learner is learner().
  void GoOn(FitResult result) {
    result_ = std::move(result);
    if (result_.best_epoch > 0) {
      const EpochReport& best = result_.best();
      best_loss_ = valid_ == nullptr ? best.train_loss : BadnessOf(best);
      if (result_.best_epoch == epochs_done()) result_.parameters = learner_.parameters();
    }
    if (observer_.resumed) observer_.resumed(result_.epochs.back());
  }

  // What rank 0 goes on with becomes what all do.
  absl::Status ShareStart();

  bool Done() const {
    return result_.diverged || result_.stopped || epochs_done() >= options_.epochs ||
           epochs_done() - result_.best_epoch >= options_.patience;
  }

  absl::Status RunEpoch();

  Learner& learner() { return learner_; }
  FitResult& result() { return result_; }

 private:
  uint32_t epochs_done() const { return static_cast<uint32_t>(result_.epochs.size()); }
  double BadnessOf(const EpochReport& report) const {
    return Badness(options_.stop_on, options_.learner.task, *report.valid);
  }
  absl::StatusOr<EpochReport> LearnAndValidate();
  absl::Status Keep(const Verdict& verdict);

  const FitOptions& options_;
  const Examples* valid_;
  const FitObserver& observer_;
  Ranks& ranks_;
  Learner learner_;
  Epochs epochs_;
  FitResult result_;
  double best_loss_ = std::numeric_limits<double>::infinity();
};

absl::StatusOr<EpochReport> Training::LearnAndValidate() {
  EpochReport report;
  report.epoch = epochs_done() + 1;
  Learner::Progress progress;
  if (observer_.progress) {
    progress = [&](size_t examples) { observer_.progress(report.epoch, examples); };
  }
  const Clock::time_point start = Clock::now();
  const absl::StatusOr<double> loss = epochs_.Run(report.epoch, progress);
  if (!loss.ok()) return loss.status();
  report.train_loss = *loss;
  report.seconds = SecondsSince(start);
  // Parameters without a finite loss have no predictions worth validating.
  if (valid_ != nullptr && std::isfinite(report.train_loss))
    report.valid = Validate(options_.learner.task, *valid_, learner_);
  return report;
}

absl::Status Training::RunEpoch() {
  absl::StatusOr<EpochReport> report = LearnAndValidate();
  if (!report.ok()) return report.status();
  const absl::StatusOr<Verdict> verdict = Agree({.loss = report->valid ? BadnessOf(*report) : 0.0,
                                                 .validates = valid_ != nullptr,
                                                 .stop = observer_.stop && observer_.stop()},
                                                report->train_loss, ranks_);
  if (!verdict.ok()) return verdict.status();
  result_.diverged = !std::isfinite(report->train_loss) || !std::isfinite(verdict->loss);
  result_.stopped = verdict->stop;
  report->best = !result_.diverged && (!verdict->validates || verdict->loss < best_loss_);
  if (report->best) {
    best_loss_ = verdict->loss;
    result_.best_epoch = report->epoch;
  }
  result_.epochs.push_back(*report);
  if (observer_.epoch_done && ranks_.rank() == 0) observer_.epoch_done(*report);
  if (result_.diverged && !verdict->validates) result_.best_epoch = 0;
  return report->best ? Keep(*verdict) : absl::OkStatus();
}

absl::Status Training::Keep(const Verdict& verdict) {
  // Without validation only the last epoch counts.
  const bool counts = verdict.validates || Done();
  if (ranks_.rank() != 0 || (!counts && !observer_.best)) return absl::OkStatus();
  result_.parameters = learner_.parameters();
  return observer_.best ? observer_.best(result_) : absl::OkStatus();
}

absl::Status Training::ShareStart() {
  if (ranks_.size() == 1) return absl::OkStatus();
  uint64_t best_epoch = result_.best_epoch;
  absl::Status status =
      ranks_.Broadcast(0, std::as_writable_bytes(std::span<uint64_t>(&best_epoch, 1)));
  std::vector<double> losses;
  for (const EpochReport& report : result_.epochs) losses.push_back(report.train_loss);
  if (status.ok()) status = BroadcastVector(ranks_, 0, losses);
  if (!status.ok() || losses.empty()) return status;
  status = ranks_.Broadcast(0, std::as_writable_bytes(std::span<double>(&best_loss_, 1)));
  for (const std::span<std::byte> part : learner_.State()) {
    if (status.ok()) status = ranks_.Broadcast(0, part);
  }
  if (!status.ok() || ranks_.rank() == 0) return status;
  result_.best_epoch = static_cast<uint32_t>(best_epoch);
  for (const double loss : losses) {
    EpochReport& report = result_.epochs.emplace_back();
    report.epoch = epochs_done();
    report.train_loss = loss;
  }
  return absl::OkStatus();
}

// That of rank 0, which knows the rows of all.
absl::StatusOr<RunIdentity> IdentityOfAll(const FitOptions& options, const FitData& data,
                                          Learner& learner, Ranks& ranks) {
  RunIdentity identity = IdentityOf(options, data.train, data.valid, learner);
  if (ranks.size() == 1) return identity;
  RunIdentity of_ranks = {{"number of ranks", absl::StrCat(ranks.size())},
                          {"--average-every", absl::StrCat(options.average_every_rows)}};
  const std::string fingerprint = data.train.Fingerprint();
  for (uint32_t root = 0; root < ranks.size(); ++root) {
    std::string theirs = fingerprint;
    absl::Status status = ranks.Broadcast(root, std::as_writable_bytes(std::span(theirs)));
    if (!status.ok()) return status;
    of_ranks.emplace_back(absl::StrCat("rows of rank ", root), theirs);
  }
  identity.insert(identity.begin(), of_ranks.begin(), of_ranks.end());
  return identity;
}

// Where a training finds and leaves its checkpoint.
class CheckpointFile {
 public:
  CheckpointFile(const CheckpointOptions& options, RunIdentity identity)
      : options_(options), identity_(std::move(identity)) {}

  absl::StatusOr<std::optional<FitResult>> Read(uint32_t max_epochs, Learner& learner) const {
    return ReadCheckpoint(options_.path, identity_, max_epochs, learner);
  }

  absl::Status Write(Training& training) {
    const bool is_due = SecondsSince(written_) >= options_.every_seconds || training.Done();
    if (training.result().diverged || !is_due) return absl::OkStatus();
    absl::Status status =
        WriteCheckpoint(options_.path, identity_, training.result(), training.learner());
    written_ = Clock::now();
    return status;
  }

 private:
  const CheckpointOptions& options_;
  const RunIdentity identity_;
  Clock::time_point written_ = Clock::now();
};

}  // namespace

FitResult Fit(const FitOptions& options, const FitData& data, const FitObserver& observer) {
  OneRank alone;
  return *Fit(options, data, observer, {}, alone);
}

absl::StatusOr<FitResult> Fit(const FitOptions& options, const FitData& data,
                              const FitObserver& observer, const CheckpointOptions& checkpoint,
                              Ranks& ranks) {
  Training training(options, data, observer, ranks);
  if (absl::Status status = training.Start(); !status.ok()) return status;
  std::optional<CheckpointFile> file;
  if (!checkpoint.path.empty()) {
    absl::StatusOr<RunIdentity> identity = IdentityOfAll(options, data, training.learner(), ranks);
    if (!identity.ok()) return identity.status();
    if (ranks.rank() == 0) {
      file.emplace(checkpoint, *std::move(identity));
      auto left = file->Read(options.epochs, training.learner());
      if (!left.ok()) return left.status();
      if (left->has_value()) training.GoOn(**std::move(left));
    }
    if (absl::Status status = training.ShareStart(); !status.ok()) return status;
  }
  while (!training.Done()) {
    absl::Status status = training.RunEpoch();
    if (status.ok() && file) status = file->Write(training);
    if (!status.ok()) return status;
  }
  return std::move(training.result());
}

}  // namespace fmserve::trainer
