// What `fm train` says of a training run: while it runs, in the weight file, and at the end.
#ifndef FMSERVE_TOOLS_TRAIN_REPORT_H_
#define FMSERVE_TOOLS_TRAIN_REPORT_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "model/golden.h"
#include "model/types.h"
#include "tools/json_output.h"
#include "trainer/dataset.h"
#include "trainer/examples.h"
#include "trainer/fit.h"
#include "trainer/gibbs.h"
#include "trainer/pack.h"
#include "trainer/row_shard.h"
#include "trainer/schema_yaml.h"
#include "trainer/table_scorer.h"
#include "trainer/warm_start.h"

namespace fmserve::tools {

inline constexpr char kFm[] = "fm";
inline constexpr char kFieldWeightedFm[] = "fwfm";
inline constexpr char kSgd[] = "sgd";
inline constexpr char kGibbs[] = "gibbs";

struct TrainArguments {
  std::string schema;
  std::string train;
  std::string valid;  // "": none
  std::string task;   // that the schema must have; "": any
  trainer::ShardBy shard_by = trainer::ShardBy::kAuto;
  std::string warm_start;       // weight file; "": begins anew
  double unseen_weights = 1.0;  // trainer::WarmStart::unseen
  std::string out;
  std::string kind = kFm;
  std::string method = kSgd;
  trainer::FitOptions fit;
  trainer::GibbsOptions gibbs;
  trainer::CheckpointOptions checkpoint{};  // path "": none
  std::chrono::milliseconds checkpoint_every{0};
  std::string cache;        // trainer::ReadOptions::cache
  uint32_t block_mib = 64;  // of rows of the cache in memory at once
  bool write_best = false;  // the file after each epoch that is the best so far
  trainer::PackOptions pack;
  bool no_names = false;
  bool json = false;
};

struct TrainRun {
  trainer::TrainingSchema schema;
  trainer::TrainingData data;
  std::optional<trainer::Examples> valid{};
  double read_seconds = 0.0;  // of the training data
  std::optional<trainer::WarmStart> warm_start{};
  uint32_t ranks = 1;  // that trained it together
  trainer::FitResult fit;
};

// One line about an epoch.
std::string EpochText(model::Task task, const trainer::EpochReport& report);

// Schema, data, options and metrics. Paths are cut to file names.
model::Metadata TrainMetadata(const TrainArguments& arguments, const TrainRun& run);

// The object of --json. Asks the system for the size of arguments.out and the memory of this
// process.
Json TrainSummary(const TrainArguments& arguments, const TrainRun& run,
                  const trainer::GoldenReport& goldens);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TRAIN_REPORT_H_
