// fm train: from labelled rows to a verified weight file.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/format.h"
#include "tools/json_output.h"
#include "tools/progress.h"
#include "tools/quantization_option.h"
#include "tools/rewrite_command.h"
#include "tools/train_options.h"
#include "tools/train_report.h"
#include "trainer/dataset.h"
#include "trainer/fit.h"
#include "trainer/gibbs.h"
#include "trainer/pack.h"
#include "trainer/schema_yaml.h"
#include "trainer/table_scorer.h"

namespace fmserve::tools {
namespace {

constexpr double kMaxMeansLossPercent = 0.5;

trainer::ModelShape ShapeOf(const TrainArguments& arguments) {
  return {.k = arguments.fit.learner.k, .rank = arguments.fit.learner.field.rank};
}

// Calls read(options) with a progress bar.
template <typename Read>
auto ReadWithProgress(const std::string& path, const TrainArguments& arguments, const TrainRun& run,
                      Read read) {
  Progress progress(absl::StrCat("reading ", path), 0);
  trainer::ReadOptions options;
  options.warm_start = run.warm_start ? &*run.warm_start : nullptr;
  options.shape = ShapeOf(arguments);
  options.seed = arguments.fit.learner.seed;
  options.negatives = arguments.fit.learner.negatives;
  options.progress = [&](uint64_t rows) { progress.Update(rows); };
  return read(options);
}

absl::StatusOr<trainer::FitResult> FitWithProgress(const TrainArguments& arguments,
                                                   const trainer::TrainingData& data,
                                                   const trainer::Examples* valid) {
  const size_t rows = data.examples.size();
  const trainer::FitOptions& options = arguments.fit;
  const bool gibbs = arguments.method == kGibbs;
  const uint64_t epochs =
      gibbs ? uint64_t{arguments.gibbs.burn_in} + arguments.gibbs.draws : options.epochs;
  Progress progress("training", epochs * rows);
  const trainer::FitObserver observer = {
      .progress = [&](uint32_t epoch,
                      size_t examples) { progress.Update((epoch - 1) * rows + examples); },
      .epoch_done =
          [&](const trainer::EpochReport& report) {
            progress.Clear();
            std::cerr << EpochText(options.learner.task, report) << "\n";
          }};
  std::vector<uint8_t> fields;
  for (size_t row = 0; row < data.vocabulary.size(); ++row)
    fields.push_back(data.vocabulary[row].field);
  if (!gibbs) {
    return trainer::Fit(options, data.vocabulary.keys(), data.examples, valid, observer,
                        {.of_rows = fields, .count = data.schema.size()});
  }
  return trainer::SampleGibbs(arguments.gibbs, fields, data.examples, valid, observer);
}

// What a server can serve of a Bayesian model must be nearly as good as that.
absl::Status CheckMeans(const trainer::FitResult& result) {
  const std::optional<double> bayesian_rmse = result.epochs.back().bayesian_rmse;
  if (!bayesian_rmse) return absl::OkStatus();
  const double rmse = *result.best().valid->rmse;
  const double loss_percent = 100.0 * (rmse / *bayesian_rmse - 1.0);
  const std::string figures = absl::StrFormat(
      "the means of the draws have an RMSE of %.4f on the validation rows, %.2f %% above the %.4f "
      "of the mean prediction",
      rmse, loss_percent, *bayesian_rmse);
  if (loss_percent < kMaxMeansLossPercent) {
    std::cerr << figures << "\n";
    return absl::OkStatus();
  }
  return absl::AbortedError(absl::StrFormat(
      "%s: over %.1f %%, so nothing was written; try a smaller --k, other --draws, or --method sgd",
      figures, kMaxMeansLossPercent));
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

// Hours of training must not end in a folder that is not there.
absl::Status CheckFolderOf(const std::string& out) {
  const std::filesystem::path folder = std::filesystem::path(out).parent_path();
  if (access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat(out, ": cannot write to its folder"));
}

absl::Status CheckFits(const TrainArguments& arguments, const trainer::TrainingSchema& schema) {
  const trainer::FitOptions& fit = arguments.fit;
  const model::Task task = schema.task;
  if (arguments.kind == kFieldWeightedFm && schema.features.size() < 2) {
    return absl::InvalidArgumentError(absl::StrCat(arguments.schema,
                                                   ": --kind fwfm weighs fields, and there is one; "
                                                   "if all lines of a libsvm file have the same "
                                                   "columns, give each a field of its own"));
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

// The model to go on from, and what the learner is to take of it.
absl::Status OpenWarmStart(TrainArguments& arguments, TrainRun& run) {
  if (arguments.warm_start.empty()) return absl::OkStatus();
  const absl::StatusOr<ParentFile> file = OpenParent(arguments.warm_start);
  if (!file.ok()) return file.status();
  run.warm_start = {.file = file->file, .unseen = arguments.unseen_weights};
  const absl::Status fits =
      trainer::FeaturesOf(*run.warm_start, run.schema, ShapeOf(arguments)).status();
  if (!fits.ok()) {
    return absl::Status(fits.code(), absl::StrCat(arguments.warm_start, ": ", fits.message()));
  }
  arguments.fit.start = [&run](trainer::Learner& learner) {
    trainer::SetParameters(*run.warm_start, run.data.vocabulary, learner);
  };
  return absl::OkStatus();
}

// Reads, learns, writes and checks.
absl::StatusOr<Json> Train(TrainArguments& arguments) {
  if (absl::Status status = CheckFolderOf(arguments.out); !status.ok()) return status;
  absl::StatusOr<trainer::TrainingSchema> schema = trainer::ReadSchemaYaml(arguments.schema);
  if (!schema.ok()) return schema.status();
  if (absl::Status status = CheckFits(arguments, *schema); !status.ok()) return status;
  arguments.fit.learner.task = arguments.pack.task = schema->task;
  TrainRun run{.schema = *std::move(schema), .data = {}, .read_seconds = 0.0, .fit = {}};
  if (absl::Status status = OpenWarmStart(arguments, run); !status.ok()) return status;

  const absl::Time start = absl::Now();
  auto data =
      ReadWithProgress(arguments.train, arguments, run, [&](const trainer::ReadOptions& options) {
        return trainer::ReadTrainingData(arguments.train, run.schema, options);
      });
  if (!data.ok()) return data.status();
  run.data = *std::move(data);
  run.read_seconds = absl::ToDoubleSeconds(absl::Now() - start);
  std::cerr << absl::StrFormat("read %s: %d rows, %d features, %.1f s\n", arguments.train,
                               run.data.examples.size(), run.data.vocabulary.size(),
                               run.read_seconds);
  std::optional<trainer::Examples> valid;
  if (!arguments.valid.empty()) {
    auto examples =
        ReadWithProgress(arguments.valid, arguments, run, [&](const trainer::ReadOptions& options) {
          return trainer::ReadExamples(arguments.valid, run.schema, run.data, options);
        });
    if (!examples.ok()) return examples.status();
    valid = *std::move(examples);
  }

  absl::StatusOr<trainer::FitResult> fit =
      FitWithProgress(arguments, run.data, valid ? &*valid : nullptr);
  if (!fit.ok()) return fit.status();
  run.fit = *std::move(fit);
  if (run.fit.best_epoch == 0) {
    return absl::AbortedError(
        "the loss is not finite; try a smaller --learning-rate, and "
        "transforms (log, standardise, buckets) for fields with large numbers");
  }
  if (absl::Status status = CheckMeans(run.fit); !status.ok()) return status;
  arguments.pack.created_unix_us = static_cast<uint64_t>(absl::ToUnixMicros(absl::Now()));
  const absl::Status written = trainer::Pack(arguments.pack, run.data, run.fit.parameters,
                                             TrainMetadata(arguments, run), arguments.out);
  if (!written.ok()) return written;
  const absl::StatusOr<trainer::GoldenReport> goldens = CheckFile(arguments.out);
  if (!goldens.ok()) {
    return absl::InternalError(absl::StrCat(
        arguments.out,
        " was written, but does not read as it should: ", std::string(goldens.status().message())));
  }
  return TrainSummary(arguments, run, *goldens);
}

int RunTrain(TrainArguments arguments) {
  arguments.pack.with_names = !arguments.no_names;
  const absl::StatusOr<Json> summary = Train(arguments);
  if (!summary.ok()) return Fail("train", summary.status());
  std::cerr << absl::StrFormat("wrote %s: %s, epoch %d of %d, %d goldens scored as they should\n",
                               arguments.out, FormatBytes((*summary)["file_bytes"].get<uint64_t>()),
                               (*summary)["best_epoch"].get<int>(), (*summary)["epochs"].get<int>(),
                               (*summary)["goldens"].get<int>());
  if (arguments.json) PrintJson(*summary);
  return kDone;
}

}  // namespace

void AddTrain(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<TrainArguments>();
  CLI::App* command = app.add_subcommand("train", "Train a weight file from labelled rows.");
  command->add_option("--schema", arguments->schema, "Fields of the rows")
      ->required()
      ->type_name("S.yaml");
  command
      ->add_option("--train", arguments->train,
                   "Rows to learn from: tsv, csv, libsvm or libffm, also .gz or .zst")
      ->required()
      ->type_name("FILE");
  command->add_option("--valid", arguments->valid, "Rows that tell when to stop")
      ->type_name("FILE");
  command->add_option("--out", arguments->out, "Weight file to write")
      ->required()
      ->type_name("M.fmw");
  command->add_option("--name", arguments->pack.model_name, "Name of the model")
      ->capture_default_str();
  AddLearningOptions(*command, *arguments);
  AddQuantizationOption(*command, "--quantization", arguments->pack.quantization,
                        "How factors are stored");
  command->add_flag("--no-names", arguments->no_names,
                    "Leave out the values' names: a smaller file");
  command->add_flag("--json", arguments->json, "Print one JSON object on standard output");
  command->footer(
      "Example:\n  fm train --schema ctr.yaml --train day1.tsv.zst --valid day2.tsv.zst --out "
      "ctr.fmw --k 16");
  command->callback([arguments, &exit_code] { exit_code = RunTrain(*arguments); });
}

}  // namespace fmserve::tools
