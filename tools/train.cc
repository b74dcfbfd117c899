// fm train: from labelled rows to a verified weight file.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <map>
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
#include "tools/stop_signal.h"
#include "tools/train_options.h"
#include "tools/train_report.h"
#include "tools/train_steps.h"
#include "trainer/dataset.h"
#include "trainer/fit.h"
#include "trainer/gibbs.h"
#include "trainer/mpi_ranks.h"
#include "trainer/ranks.h"
#include "trainer/row_shard.h"
#include "trainer/warm_start.h"

namespace fmserve::tools {
namespace {

constexpr double kMaxMeansLossPercent = 0.5;

// What the user sees of the epochs, and what becomes of the best.
trainer::FitObserver Observer(TrainArguments& arguments, TrainRun& run, Progress& progress) {
  trainer::FitObserver observer;
  const uint64_t rows = run.data.rows().size();
  observer.progress = [&progress, rows](uint32_t epoch, size_t examples) {
    progress.Update((epoch - 1) * rows + examples);
  };
  observer.epoch_done = [&arguments, &progress](const trainer::EpochReport& report) {
    progress.Clear();
    std::cerr << EpochText(arguments.fit.learner.task, report) << "\n";
  };
  observer.resumed = [&arguments](const trainer::EpochReport& last) {
    std::cerr << absl::StrFormat("goes on behind epoch %d of %s\n", last.epoch,
                                 arguments.checkpoint.path);
  };
  if (!arguments.write_best) return observer;
  observer.stop = StopSignalled;
  observer.best = [&arguments, &run](trainer::FitResult& so_far) {
    std::swap(run.fit, so_far);
    const absl::Status status = WriteFile(arguments, run);
    std::swap(run.fit, so_far);
    return status;
  };
  return observer;
}

absl::StatusOr<trainer::FitResult> FitWithProgress(TrainArguments& arguments, TrainRun& run,
                                                   trainer::Ranks& ranks) {
  const trainer::TrainingData& data = run.data;
  const trainer::Examples* const valid = run.valid ? &*run.valid : nullptr;
  trainer::FitOptions options = arguments.fit;
  if (run.warm_start) {
    options.start = [&run](trainer::Learner& learner) {
      trainer::SetParameters(*run.warm_start, run.data.vocabulary, learner);
    };
  }
  const bool gibbs = arguments.method == kGibbs;
  const uint64_t epochs =
      gibbs ? uint64_t{arguments.gibbs.burn_in} + arguments.gibbs.draws : options.epochs;
  Progress progress("training", epochs * data.rows().size());
  trainer::FitObserver observer = Observer(arguments, run, progress);
  if (ranks.rank() != 0) observer.progress = nullptr;
  const std::vector<uint8_t> fields = data.vocabulary.fields();
  if (gibbs) return trainer::SampleGibbs(arguments.gibbs, fields, data.examples, valid, observer);
  const std::vector<uint64_t> keys = data.vocabulary.keys();
  const trainer::FitData fit_data = {.keys = keys,
                                     .train = data.rows(),
                                     .valid = valid,
                                     .fields = {.of_rows = fields, .count = data.schema.size()}};
  return trainer::Fit(options, fit_data, observer, arguments.checkpoint, ranks);
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

absl::Status CheckFolders(const TrainArguments& arguments) {
  absl::Status status = CheckFolderOf(arguments.out);
  if (status.ok() && !arguments.checkpoint.path.empty())
    status = CheckFolderOf(arguments.checkpoint.path);
  return status;
}

// What the parser of the options cannot know.
absl::Status CheckRanks(const TrainArguments& arguments, const trainer::Ranks& ranks) {
  if (ranks.size() == 1 || arguments.method == kSgd) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--method ", arguments.method, ": only by one process, not under mpirun"));
}

// Reads, learns, writes and checks. Nothing at ranks other than 0.
absl::StatusOr<std::optional<Json>> Train(TrainArguments& arguments, trainer::Ranks& ranks) {
  if (absl::Status status = CheckRanks(arguments, ranks); !status.ok()) return status;
  if (ranks.rank() == 0) {
    if (absl::Status status = CheckFolders(arguments); !status.ok()) return status;
  }
  absl::StatusOr<TrainRun> run = ReadRows(arguments, ranks);
  if (!run.ok()) return run.status();
  absl::StatusOr<trainer::FitResult> fit = FitWithProgress(arguments, *run, ranks);
  if (!fit.ok()) return fit.status();
  run->fit = *std::move(fit);
  if (run->fit.best_epoch == 0) {
    return absl::AbortedError(
        "the loss is not finite; try a smaller --learning-rate, and "
        "transforms (log, standardise, buckets) for fields with large numbers");
  }
  if (ranks.rank() != 0) return std::nullopt;
  if (absl::Status status = CheckMeans(run->fit); !status.ok()) return status;
  const absl::StatusOr<trainer::GoldenReport> goldens = WriteModel(arguments, *run);
  if (!goldens.ok()) return goldens.status();
  // Who stopped it may want to go on.
  if (!arguments.checkpoint.path.empty() && !run->fit.stopped)
    unlink(arguments.checkpoint.path.c_str());
  return TrainSummary(arguments, *run, *goldens);
}

void PrintSummary(const TrainArguments& arguments, const Json& summary) {
  if (summary["stopped"].get<bool>()) std::cerr << "stopped by a signal\n";
  std::cerr << absl::StrFormat("wrote %s: %s, epoch %d of %d, %d goldens scored as they should\n",
                               arguments.out, FormatBytes(summary["file_bytes"].get<uint64_t>()),
                               summary["best_epoch"].get<int>(), summary["epochs"].get<int>(),
                               summary["goldens"].get<int>());
  if (arguments.json) PrintJson(summary);
}

int RunTrain(TrainArguments arguments) {
  const absl::StatusOr<std::unique_ptr<trainer::Ranks>> ranks = trainer::JoinRanks();
  if (!ranks.ok()) return Fail("train", ranks.status());
  arguments.pack.with_names = !arguments.no_names;
  if (arguments.write_best) RememberStopSignals();
  const absl::StatusOr<std::optional<Json>> summary = Train(arguments, **ranks);
  if (!summary.ok()) {
    const ExitCode exit_code = Fail("train", summary.status());
    (*ranks)->EndAll(exit_code);
    return exit_code;
  }
  if (summary->has_value()) PrintSummary(arguments, **summary);
  return kDone;
}

void AddRankOptions(CLI::App& command, TrainArguments& arguments) {
  const std::map<std::string, trainer::ShardBy> shards = {{"auto", trainer::ShardBy::kAuto},
                                                          {"files", trainer::ShardBy::kFiles},
                                                          {"rows", trainer::ShardBy::kRows},
                                                          {"own", trainer::ShardBy::kOwn}};
  command
      .add_option("--shard", arguments.shard_by,
                  "What of --train belongs to a rank: each ranks-th of its files, or pieces of all "
                  "of them (rows; auto: files, if there are enough), or all that it finds there "
                  "(own)")
      ->transform(CLI::CheckedTransformer(shards))
      ->type_name("auto|files|rows|own")
      ->default_str("auto");
  command
      .add_option("--average-every", arguments.fit.average_every_rows,
                  "Rows that each rank trains on between two averages of all ranks")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40))
      ->capture_default_str();
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
                   "Rows to learn from: tsv, csv, libsvm or libffm, also .gz or .zst; or a folder "
                   "of such files")
      ->required()
      ->type_name("FILE|DIR");
  CLI::Option* const cache =
      command
          ->add_option("--cache", arguments->cache,
                       "Keep the rows to learn from in this file, parsed, and only a part of them "
                       "in memory; written anew when they change")
          ->type_name("FILE");
  command
      ->add_option("--block-mib", arguments->block_mib,
                   "How much of that file is in memory at once, and once more while it is read")
      ->check(CLI::Range(1U, 1U << 16))
      ->needs(cache)
      ->capture_default_str();
  command->add_option("--valid", arguments->valid, "Rows that tell when to stop")
      ->type_name("FILE|DIR");
  command->add_option("--out", arguments->out, "Weight file to write")
      ->required()
      ->type_name("M.fmw");
  command->add_option("--name", arguments->pack.model_name, "Name of the model")
      ->capture_default_str();
  command->add_option("--task", arguments->task, "Refuse a schema of another task")
      ->check(CLI::IsMember({"binary", "regression"}));
  AddLearningOptions(*command, *arguments);
  command->option_defaults()->group("Options under mpirun");
  AddRankOptions(*command, *arguments);
  command->option_defaults()->group("Options");
  AddQuantizationOption(*command, "--quantization", arguments->pack.quantization,
                        "How factors are stored");
  command->add_flag("--no-names", arguments->no_names,
                    "Leave out the values' names: a smaller file");
  command->add_flag("--write-best", arguments->write_best,
                    "Write the file after each epoch that is the best so far, not only at the end, "
                    "and end behind the epoch under way on SIGTERM or SIGUSR1");
  command->add_flag("--json", arguments->json, "Print one JSON object on standard output");
  command->footer(
      "Example:\n  fm train --schema ctr.yaml --train day1.tsv.zst --valid day2.tsv.zst --out "
      "ctr.fmw --k 16\n  mpirun -np 4 fm train --schema ctr.yaml --train days --valid last.tsv "
      "--out ctr.fmw");
  command->callback([arguments, &exit_code] {
    if (!arguments->cache.empty() && arguments->method == kGibbs)
      throw CLI::ValidationError("--cache", "--method gibbs needs all rows in memory");
    if (arguments->write_best && arguments->method == kGibbs)
      throw CLI::ValidationError("--write-best", "--method gibbs has one model, at the end");
    exit_code = RunTrain(*arguments);
  });
}

}  // namespace fmserve::tools
