// Runs the trials of a search side by side.
//
// What is run, and what the search finds, depends on results alone, never on which trial happened
// to finish first: job n is chosen with the results of all jobs up to n - window and of no other,
// in the order in which they were chosen. So a search that was killed and begun anew, or that has
// other workers and the same window, finds the same. The price: a worker may wait for a job that
// takes longer than all others of a window.
#ifndef FMSERVE_TRAINER_SEARCH_SEARCH_H_
#define FMSERVE_TRAINER_SEARCH_SEARCH_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/search/asha.h"

namespace fmserve::trainer {

struct TrialResult {
  TrialJob job;
  uint32_t epochs = 0;           // done; fewer than the rung's where training stopped early
  uint32_t best_epoch = 0;       // 0: none
  std::optional<double> metric;  // of the best epoch; nothing: the loss was no finite number
  double seconds = 0.0;          // of training this rung

  friend bool operator==(const TrialResult&, const TrialResult&) = default;
};

struct SearchOptions {
  uint32_t trials = 1;  // as the next two, those of Asha
  uint32_t rungs = 1;
  uint32_t reduction = 3;
  uint32_t workers = 1;  // threads; 1 to window
  uint32_t window = 8;
  bool larger_is_better = false;  // of the metric
};

struct SearchCallbacks {
  // The result that an earlier run found; called by one thread at a time.
  std::function<std::optional<TrialResult>(const TrialJob&)> known;
  // Trains; called by all workers at once. A rung of a trial follows the one below it.
  std::function<absl::StatusOr<TrialResult>(const TrialJob&)> run;
  // Each result of `run`, before anything is chosen by it; called by one thread at a time.
  std::function<absl::Status(const TrialResult&)> finished;
};

// The results of all jobs that were chosen, in their order. The first error of a callback ends the
// search, once the jobs under way are done, and is returned.
absl::StatusOr<std::vector<TrialResult>> RunSearch(const SearchOptions& options,
                                                   const SearchCallbacks& callbacks);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_SEARCH_SEARCH_H_
