// fm tune: searches for the options of `fm train` that do best on the validation rows.
#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/json_output.h"
#include "tools/quantization_option.h"
#include "tools/s3_options.h"
#include "tools/tune/tuning.h"

namespace fmserve::tools {
namespace {

int RunTune(const TuneArguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  absl::StatusOr<Json> summary = Tune(arguments);
  if (!summary.ok()) return Fail("tune", summary.status());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  (*summary)["seconds"] = took.count();
  std::cerr << absl::StrFormat("wrote %s, trial %d; fm train learns it by %s\n",
                               BestModelPath(arguments), (*summary)["best_trial"].get<int>(),
                               (*summary)["train_options"].get<std::string>());
  if (arguments.json) PrintJson(*summary);
  return kDone;
}

void AddTuneInputs(CLI::App& command, TuneArguments& arguments) {
  command.add_option("--space", arguments.space, "Options to search, and among what")
      ->required()
      ->type_name("SPACE.yaml");
  command.add_option("--schema", arguments.train.schema, "Fields of the rows")
      ->required()
      ->type_name("S.yaml");
  command.add_option("--train", arguments.train.train, "Rows to learn from, as for fm train")
      ->required()
      ->type_name("FILE");
  command.add_option("--valid", arguments.train.valid, "Rows that tell which trial is better")
      ->required()
      ->type_name("FILE");
  command
      .add_option("--out", arguments.out,
                  "Folder of journal, leaderboard and best model; a search that was begun there "
                  "goes on")
      ->required()
      ->type_name("DIR");
}

void AddSearchOptions(CLI::App& command, TuneArguments& arguments) {
  command.add_option("--trials", arguments.trials, "So many trials; more may be asked for later")
      ->check(CLI::Range(1U, 10000U))
      ->capture_default_str();
  command
      .add_option("--workers", arguments.workers,
                  "Trials at a time, each with parameters of its own; one per processor if not "
                  "given")
      ->check(CLI::Range(1U, kMaxTuneWorkers));
  command.add_option("--metric", arguments.metric, "What is best; logloss or rmse if not given")
      ->check(CLI::IsMember({"logloss", "auc", "rmse"}));
  command
      .add_option("--search", arguments.search,
                  "asha: bad trials end early. random: all trials get all epochs")
      ->check(CLI::IsMember({"asha", "random"}))
      ->capture_default_str();
  command.add_option("--epochs", arguments.train.fit.epochs, "Epochs of the best trials")
      ->check(CLI::Range(1U, 1000U))
      ->capture_default_str();
  CLI::Option* const min_epochs =
      command
          .add_option("--min-epochs", arguments.min_epochs, "Epochs that every trial gets; of asha")
          ->check(CLI::Range(1U, 1000U))
          ->capture_default_str();
  CLI::Option* const reduction =
      command
          .add_option("--reduction", arguments.reduction,
                      "One of so many trials gets so many times the epochs; of asha")
          ->check(CLI::Range(2U, 10U))
          ->capture_default_str();
  command.parse_complete_callback([&arguments, min_epochs, reduction] {
    if (arguments.search == "random" && min_epochs->count() + reduction->count() > 0)
      throw CLI::ValidationError("--min-epochs, --reduction", "--search random has none");
  });
  command.add_option("--seed", arguments.train.fit.learner.seed, "Seed of everything random")
      ->capture_default_str();
  command
      .add_option("--keep-mib", arguments.keep_mib,
                  "Room for checkpoints of paused trials; what has none is trained again")
      ->check(CLI::Range(0U, 1U << 30))
      ->capture_default_str();
}

void AddModelOptions(CLI::App& command, TuneArguments& arguments) {
  command.add_option("--name", arguments.train.pack.model_name, "Name of the model in its file")
      ->capture_default_str();
  AddQuantizationOption(command, "--quantization", arguments.train.pack.quantization,
                        "How factors are stored");
  CLI::Option* const publish =
      command
          .add_option("--publish", arguments.publish.store,
                      "Publish the best model to this store: a folder, or s3://BUCKET/PREFIX")
          ->type_name("STORE");
  CLI::Option* const model =
      command.add_option("--model", arguments.publish.model, "Name under which it is published")
          ->type_name("NAME");
  publish->needs(model);
  model->needs(publish);
  AddS3Options(command, arguments.publish.s3);
  command.add_flag("--json", arguments.json, "Print one JSON object on standard output");
}

}  // namespace

void AddTune(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<TuneArguments>();
  CLI::App* command = app.add_subcommand(
      "tune", "Search for the options of fm train that do best on validation rows.");
  AddTuneInputs(*command, *arguments);
  AddSearchOptions(*command, *arguments);
  AddModelOptions(*command, *arguments);
  command->footer(
      "Example:\n  fm tune --space space.yaml --schema ctr.yaml --train day1.tsv.zst --valid "
      "day2.tsv.zst --out search --trials 100");
  command->callback([arguments, &exit_code] { exit_code = RunTune(*arguments); });
}

}  // namespace fmserve::tools
