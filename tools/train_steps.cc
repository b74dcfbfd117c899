#include "tools/train_steps.h"

#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tools/progress.h"
#include "tools/rewrite_command.h"
#include "trainer/dataset.h"
#include "trainer/pack.h"
#include "trainer/schema_yaml.h"
#include "trainer/table_scorer.h"

namespace fmserve::tools {
namespace {

trainer::ModelShape ShapeOf(const TrainArguments& arguments) {
  return {.k = arguments.fit.learner.k, .rank = arguments.fit.learner.field.rank};
}

// Calls read(options) with a progress bar.
template <typename Read>
auto ReadWithProgress(const std::string& path, const TrainArguments& arguments, const TrainRun& run,
                      trainer::Ranks& ranks, Read read) {
  Progress progress(absl::StrCat("reading ", path), 0);
  trainer::ReadOptions options;
  options.warm_start = run.warm_start ? &*run.warm_start : nullptr;
  options.shape = ShapeOf(arguments);
  options.seed = arguments.fit.learner.seed;
  options.negatives = arguments.fit.learner.negatives;
  options.ranks = &ranks;
  options.shard_by = arguments.shard_by;
  options.cache = arguments.cache;
  options.block_bytes = uint64_t{arguments.block_mib} << 20;
  if (ranks.rank() == 0) options.progress = [&](uint64_t rows) { progress.Update(rows); };
  return read(options);
}

// Opens the file that was written as a server would, and scores its goldens.
absl::StatusOr<trainer::GoldenReport> CheckFile(const std::string& path) {
  const absl::StatusOr<std::shared_ptr<const model::WeightFile>> file =
      model::WeightFile::Open(path);
  if (!file.ok()) return file.status();
  const absl::StatusOr<std::unique_ptr<trainer::TableScorer>> scorer =
      trainer::TableScorer::Create(*file);
  if (!scorer.ok()) return scorer.status();
  return trainer::CheckGoldens(**scorer);
}

// The model to go on from.
absl::Status OpenWarmStart(const TrainArguments& arguments, TrainRun& run) {
  if (arguments.warm_start.empty()) return absl::OkStatus();
  const absl::StatusOr<ParentFile> file = OpenParent(arguments.warm_start);
  if (!file.ok()) return file.status();
  run.warm_start = {.file = file->file, .unseen = arguments.unseen_weights};
  const absl::Status fits =
      trainer::FeaturesOf(*run.warm_start, run.schema, ShapeOf(arguments)).status();
  if (!fits.ok()) {
    return absl::Status(fits.code(), absl::StrCat(arguments.warm_start, ": ", fits.message()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckFits(const TrainArguments& arguments, const trainer::TrainingSchema& schema) {
  const trainer::FitOptions& fit = arguments.fit;
  const model::Task task = schema.task;
  if (arguments.kind == kFieldWeightedFm && schema.features.size() < 2) {
    return absl::InvalidArgumentError(absl::StrCat(arguments.schema,
                                                   ": --kind fwfm weighs fields, and there is one; "
                                                   "if all lines of a libsvm file have the same "
                                                   "columns, give each a field of its own"));
  }
  if (!arguments.task.empty() && arguments.task != model::Name(task)) {
    return absl::InvalidArgumentError(absl::StrCat("--task ", arguments.task, ": the schema ",
                                                   arguments.schema, " is of a ",
                                                   std::string(model::Name(task)), " task"));
  }
  if (task == model::Task::kBinary && arguments.method == kGibbs)
    return absl::InvalidArgumentError("--method gibbs: only of a regression");
  if (task == model::Task::kBinary) return absl::OkStatus();
  if (fit.learner.negatives < 1.0)
    return absl::InvalidArgumentError("--negatives: only a binary task has them");
  if (fit.stop_on == trainer::StopMetric::kAuc)
    return absl::InvalidArgumentError("--stop-on auc: only a binary task has an AUC");
  return absl::OkStatus();
}

absl::StatusOr<TrainRun> ReadRows(TrainArguments& arguments, trainer::Ranks& ranks) {
  absl::StatusOr<trainer::TrainingSchema> schema = trainer::ReadSchemaYaml(arguments.schema);
  if (!schema.ok()) return schema.status();
  if (absl::Status status = CheckFits(arguments, *schema); !status.ok()) return status;
  arguments.fit.learner.task = arguments.pack.task = schema->task;
  TrainRun run{.schema = *std::move(schema), .data = {}, .ranks = ranks.size(), .fit = {}};
  if (absl::Status status = OpenWarmStart(arguments, run); !status.ok()) return status;

  const absl::Time start = absl::Now();
  auto data = ReadWithProgress(
      arguments.train, arguments, run, ranks, [&](const trainer::ReadOptions& options) {
        return trainer::ReadTrainingData(arguments.train, run.schema, options);
      });
  if (!data.ok()) return data.status();
  run.data = *std::move(data);
  run.read_seconds = absl::ToDoubleSeconds(absl::Now() - start);
  if (ranks.rank() != 0) return run;
  const std::string by = ranks.size() == 1 ? "" : absl::StrFormat(" by %d ranks", ranks.size());
  std::cerr << absl::StrFormat("read %s%s: %d rows, %d features, %.1f s\n", arguments.train, by,
                               run.data.rows_count, run.data.vocabulary.size(), run.read_seconds);
  if (!arguments.valid.empty()) {
    auto examples = ReadWithProgress(
        arguments.valid, arguments, run, ranks, [&](const trainer::ReadOptions& options) {
          return trainer::ReadExamples(arguments.valid, run.schema, run.data, options);
        });
    if (!examples.ok()) return examples.status();
    run.valid = *std::move(examples);
  }
  return run;
}

absl::Status WriteFile(TrainArguments& arguments, const TrainRun& run) {
  arguments.pack.created_unix_us = static_cast<uint64_t>(absl::ToUnixMicros(absl::Now()));
  return trainer::Pack(arguments.pack, run.data, run.fit.parameters, TrainMetadata(arguments, run),
                       arguments.out);
}

absl::StatusOr<trainer::GoldenReport> WriteModel(TrainArguments& arguments, const TrainRun& run) {
  if (absl::Status written = WriteFile(arguments, run); !written.ok()) return written;
  absl::StatusOr<trainer::GoldenReport> goldens = CheckFile(arguments.out);
  if (!goldens.ok()) {
    return absl::InternalError(absl::StrCat(
        arguments.out,
        " was written, but does not read as it should: ", std::string(goldens.status().message())));
  }
  return goldens;
}

}  // namespace fmserve::tools
