// Trains the trials of a search, all on the rows that were read once.
#ifndef FMSERVE_TOOLS_TUNE_TRIAL_RUNNER_H_
#define FMSERVE_TOOLS_TUNE_TRIAL_RUNNER_H_

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/train_report.h"
#include "tools/tune/checkpoint_shelf.h"
#include "tools/tune/search_space.h"
#include "trainer/search/search.h"

namespace fmserve::tools {

struct TrialPlan {
  TrainArguments base;               // of all trials; one thread each
  std::vector<TrialOptions> trials;  // what each adds
  std::vector<uint32_t> rung_epochs;
  std::string checkpoint_folder;
  uint64_t checkpoint_limit_bytes = 0;
};

// Const methods, and Run and Shelve, are safe from any thread. What a trial finds depends on its
// options, the rows and the rung, not on checkpoints, which may be lost or damaged.
class TrialRunner {
 public:
  // Both must outlive this. run.valid is set.
  TrialRunner(const TrialPlan& plan, const TrainRun& run);

  absl::StatusOr<trainer::TrialResult> Run(const trainer::TrialJob& job);

  // Tells what became of the checkpoint of a trial; for results of an earlier run, too.
  void Shelve(const trainer::TrialResult& result);

  // What the trial has learned after this rung.
  absl::StatusOr<trainer::FitResult> Learned(const trainer::TrialJob& job) const;

  // Removes the checkpoints of all but the best trial.
  void KeepBest();

  // The arguments of `fm train` that learn the same.
  absl::StatusOr<TrainArguments> ArgumentsOf(const trainer::TrialJob& job) const;

 private:
  const TrialPlan& plan_;
  const TrainRun& run_;
  const std::vector<uint64_t> keys_;
  const std::vector<uint8_t> fields_;
  mutable std::mutex mutex_;
  CheckpointShelf shelf_;  // by mutex_
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TUNE_TRIAL_RUNNER_H_
