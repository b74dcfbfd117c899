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
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/format.h"
#include "tools/json_output.h"
#include "tools/progress.h"
#include "tools/quantization_option.h"
#include "tools/train_options.h"
#include "tools/train_report.h"
#include "tools/train_steps.h"
#include "trainer/dataset.h"
#include "trainer/fit.h"
#include "trainer/gibbs.h"
#include "trainer/warm_start.h"

namespace fmserve::tools {
namespace {

constexpr double kMaxMeansLossPercent = 0.5;

absl::StatusOr<trainer::FitResult> FitWithProgress(const TrainArguments& arguments,
                                                   const TrainRun& run) {
  const trainer::TrainingData& data = run.data;
  const trainer::Examples* const valid = run.valid ? &*run.valid : nullptr;
  const size_t rows = data.examples.size();
  trainer::FitOptions options = arguments.fit;
  if (run.warm_start) {
    options.start = [&run](trainer::Learner& learner) {
      trainer::SetParameters(*run.warm_start, run.data.vocabulary, learner);
    };
  }
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
          },
      .resumed =
          [&](const trainer::EpochReport& last) {
            std::cerr << absl::StrFormat("goes on behind epoch %d of %s\n", last.epoch,
                                         arguments.checkpoint.path);
          }};
  const std::vector<uint8_t> fields = data.vocabulary.fields();
  if (gibbs) return trainer::SampleGibbs(arguments.gibbs, fields, data.examples, valid, observer);
  const std::vector<uint64_t> keys = data.vocabulary.keys();
  const trainer::FitData fit_data = {.keys = keys,
                                     .train = data.examples,
                                     .valid = valid,
                                     .fields = {.of_rows = fields, .count = data.schema.size()}};
  if (arguments.checkpoint.path.empty()) return trainer::Fit(options, fit_data, observer);
  return trainer::Fit(options, fit_data, observer, arguments.checkpoint);
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

// Hours of training must not end in a folder that is not there.
absl::Status CheckFolderOf(const std::string& out) {
  const std::filesystem::path folder = std::filesystem::path(out).parent_path();
  if (access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat(out, ": cannot write to its folder"));
}

// Reads, learns, writes and checks.
absl::StatusOr<Json> Train(TrainArguments& arguments) {
  if (absl::Status status = CheckFolderOf(arguments.out); !status.ok()) return status;
  if (!arguments.checkpoint.path.empty()) {
    const absl::Status status = CheckFolderOf(arguments.checkpoint.path);
    if (!status.ok()) return status;
  }
  absl::StatusOr<TrainRun> run = ReadRows(arguments);
  if (!run.ok()) return run.status();
  absl::StatusOr<trainer::FitResult> fit = FitWithProgress(arguments, *run);
  if (!fit.ok()) return fit.status();
  run->fit = *std::move(fit);
  if (run->fit.best_epoch == 0) {
    return absl::AbortedError(
        "the loss is not finite; try a smaller --learning-rate, and "
        "transforms (log, standardise, buckets) for fields with large numbers");
  }
  if (absl::Status status = CheckMeans(run->fit); !status.ok()) return status;
  const absl::StatusOr<trainer::GoldenReport> goldens = WriteModel(arguments, *run);
  if (!goldens.ok()) return goldens.status();
  if (!arguments.checkpoint.path.empty()) unlink(arguments.checkpoint.path.c_str());
  return TrainSummary(arguments, *run, *goldens);
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
