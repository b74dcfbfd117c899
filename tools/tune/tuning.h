// A search from its files to its best model.
#ifndef FMSERVE_TOOLS_TUNE_TUNING_H_
#define FMSERVE_TOOLS_TUNE_TUNING_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "loader/publisher.h"
#include "tools/json_output.h"
#include "tools/train_report.h"

namespace fmserve::tools {

inline constexpr uint32_t kMaxTuneWorkers = 256;

struct TuneArguments {
  std::string space;
  std::string out;     // folder
  std::string metric;  // "": logloss or RMSE, by the task
  std::string search = "asha";
  uint32_t trials = 50;
  uint32_t workers = 0;     // 0: as many as there are processors
  uint32_t min_epochs = 1;  // of asha, as reduction; the most are train.fit.epochs
  uint32_t reduction = 3;
  uint64_t keep_mib = 8192;
  TrainArguments train;            // without `out`
  loader::PublishOptions publish;  // store "": publishes nothing
  bool json = false;
};

// Searches, or goes on with the search that was begun in the folder; writes leaderboard and best
// model there, prints the leaderboard unless `json` is set, and publishes the model. Tells on
// standard error what it finds. Returns the object of --json.
absl::StatusOr<Json> Tune(const TuneArguments& arguments);

std::string BestModelPath(const TuneArguments& arguments);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TUNE_TUNING_H_
