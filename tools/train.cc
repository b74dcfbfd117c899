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
#include "tools/train_report.h"
#include "trainer/dataset.h"
#include "trainer/fit.h"
#include "trainer/pack.h"
#include "trainer/schema_yaml.h"
#include "trainer/table_scorer.h"

namespace fmserve::tools {
namespace {

// Calls read(options) with a progress bar.
template <typename Read>
auto ReadWithProgress(const std::string& path, const TrainArguments& arguments, Read read) {
  Progress progress(absl::StrCat("reading ", path), 0);
  trainer::ReadOptions options;
  options.seed = arguments.fit.learner.seed;
  options.progress = [&](uint64_t rows) { progress.Update(rows); };
  return read(options);
}

trainer::FitResult FitWithProgress(const TrainArguments& arguments,
                                   const trainer::TrainingData& data,
                                   const trainer::Examples* valid) {
  const size_t rows = data.examples.size();
  const trainer::FitOptions& options = arguments.fit;
  Progress progress("training", uint64_t{options.epochs} * rows);
  const trainer::FitObserver observer = {
      .progress = [&](uint32_t epoch,
                      size_t examples) { progress.Update((epoch - 1) * rows + examples); },
      .epoch_done =
          [&](const trainer::EpochReport& report) {
            progress.Clear();
            std::cerr << EpochText(options.learner.task, report) << "\n";
          }};
  return trainer::Fit(options, data.vocabulary.keys(), data.examples, valid, observer);
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

// Reads, learns, writes and checks.
absl::StatusOr<Json> Train(TrainArguments& arguments) {
  if (absl::Status status = CheckFolderOf(arguments.out); !status.ok()) return status;
  absl::StatusOr<trainer::TrainingSchema> schema = trainer::ReadSchemaYaml(arguments.schema);
  if (!schema.ok()) return schema.status();
  arguments.fit.learner.task = arguments.pack.task = schema->task;
  TrainRun run{.schema = *std::move(schema), .data = {}, .read_seconds = 0.0, .fit = {}};

  const absl::Time start = absl::Now();
  auto data =
      ReadWithProgress(arguments.train, arguments, [&](const trainer::ReadOptions& options) {
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
        ReadWithProgress(arguments.valid, arguments, [&](const trainer::ReadOptions& options) {
          return trainer::ReadExamples(arguments.valid, run.schema, run.data, options);
        });
    if (!examples.ok()) return examples.status();
    valid = *std::move(examples);
  }

  run.fit = FitWithProgress(arguments, run.data, valid ? &*valid : nullptr);
  if (run.fit.best_epoch == 0) {
    return absl::AbortedError(
        "the loss is not finite; try a smaller --learning-rate, and "
        "transforms (log, standardise, buckets) for fields with large numbers");
  }
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

void AddLearnerOptions(CLI::App& command, trainer::FitOptions& fit) {
  trainer::LearnerOptions& learner = fit.learner;
  const CLI::Range at_least_0(0.0, 1e30);
  const CLI::Range positive(1e-30, 1e30);
  command.add_option("--k", learner.k, "Factors per feature")
      ->check(CLI::Range(1U, model::kMaxK))
      ->capture_default_str();
  command.add_option("--epochs", fit.epochs, "At most so many passes over the rows")
      ->check(CLI::Range(1U, 1000U))
      ->capture_default_str();
  command
      .add_option("--patience", fit.patience,
                  "Stop after so many epochs without a better validation loss")
      ->check(CLI::Range(1U, 1000U))
      ->capture_default_str();
  command.add_option("--learning-rate", learner.learning_rate, "Step size of AdaGrad")
      ->check(positive)
      ->capture_default_str();
  command.add_option("--l2-linear", learner.l2_linear, "L2 penalty on linear weights")
      ->check(at_least_0)
      ->capture_default_str();
  command.add_option("--l2-factors", learner.l2_factors, "L2 penalty on factors")
      ->check(at_least_0)
      ->capture_default_str();
  command
      .add_option("--init-stddev", learner.init_stddev,
                  "Standard deviation of the factors at the start")
      ->check(positive)
      ->capture_default_str();
  command
      .add_option("--init-accumulator", learner.init_accumulator,
                  "Sums of squared gradients at the start")
      ->check(positive)
      ->capture_default_str();
  command.add_option("--threads", learner.threads, "Threads; one alone repeats itself bit by bit")
      ->check(CLI::Range(1U, 1024U))
      ->capture_default_str();
  command.add_option("--seed", learner.seed, "Seed of everything random")->capture_default_str();
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
  command->add_option("--kind", arguments->kind, "Kind of model")
      ->check(CLI::IsMember({"fm"}))
      ->capture_default_str();
  AddLearnerOptions(*command, arguments->fit);
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
