#include "tools/tune/tuning.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <optional>
#include <span>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "model/atomic_file.h"
#include "model/kernels/kernels.h"
#include "tools/train_steps.h"
#include "tools/tune/journal.h"
#include "tools/tune/leaderboard.h"
#include "tools/tune/search_space.h"
#include "tools/tune/trial_options.h"
#include "tools/tune/trial_runner.h"
#include "trainer/checkpoint.h"
#include "trainer/schema_yaml.h"
#include "trainer/search/search.h"

namespace fmserve::tools {
namespace {

// Of jobs (search.h): wide enough for a long job beside short ones, and the same for few workers.
constexpr uint32_t kSmallestWindow = 32;
constexpr uint32_t kWindowPerWorker = 4;
constexpr size_t kShownTrials = 20;
constexpr uint64_t kMebibyte = uint64_t{1} << 20;

// A search on its way.
struct Tuning {
  TrainRun run;
  TrialPlan plan;
  std::string metric;
  bool larger_is_better = false;
};

absl::Status SetMetric(const TuneArguments& arguments, Tuning& tuning) {
  const absl::StatusOr<trainer::TrainingSchema> schema =
      trainer::ReadSchemaYaml(arguments.train.schema);
  if (!schema.ok()) return schema.status();
  const bool binary = schema->task == model::Task::kBinary;
  tuning.metric = !arguments.metric.empty() ? arguments.metric : binary ? "logloss" : "rmse";
  if (binary != (tuning.metric != "rmse")) {
    return absl::InvalidArgumentError(
        absl::StrCat("--metric ", tuning.metric, ": a ", std::string(Name(schema->task)),
                     " task is searched by ", binary ? "logloss or auc" : "rmse"));
  }
  tuning.larger_is_better = tuning.metric == "auc";
  if (tuning.larger_is_better) tuning.plan.base.fit.stop_on = trainer::StopMetric::kAuc;
  return absl::OkStatus();
}

// What holds for all trials; some of it matters when rows are read.
TrialOptions SharedOptions(const SearchSpace& space) {
  TrialOptions shared;
  for (const SearchDimension& dimension : space.dimensions) {
    if (IsSharedByTrials(dimension.name))
      shared.emplace_back(dimension.name, dimension.choices.front());
  }
  return shared;
}

absl::StatusOr<SearchSpace> Prepare(const TuneArguments& arguments, Tuning& tuning) {
  absl::StatusOr<SearchSpace> space = ReadSearchSpace(arguments.space);
  if (!space.ok()) return space.status();
  TrialPlan& plan = tuning.plan;
  plan.base = arguments.train;
  const uint32_t most = arguments.train.fit.epochs;
  if (arguments.min_epochs > most)
    return absl::InvalidArgumentError("--min-epochs: is more than --epochs");
  const uint32_t least = arguments.search == "random" ? most : arguments.min_epochs;
  plan.rung_epochs = trainer::RungEpochs(least, most, arguments.reduction);
  plan.checkpoint_folder = arguments.out + "/checkpoints";
  plan.checkpoint_limit_bytes = arguments.keep_mib * kMebibyte;
  if (absl::Status status = SetMetric(arguments, tuning); !status.ok()) return status;
  absl::Status status = SetTrialOptions(SharedOptions(*space), plan.base);
  if (!status.ok()) return status;
  plan.trials = DrawTrials(*space, arguments.train.fit.learner.seed, arguments.trials);
  for (const TrialOptions& trial : plan.trials) {
    TrainArguments arguments_of_trial = plan.base;
    status = SetTrialOptions(trial, arguments_of_trial);
    if (!status.ok())
      return absl::InvalidArgumentError(absl::StrCat(arguments.space, ": ", status.message()));
  }
  if (plan.trials.size() < arguments.trials) {
    std::cerr << absl::StrFormat("%s: has no more than %d different trials\n", arguments.space,
                                 plan.trials.size());
  }
  std::error_code error;
  std::filesystem::create_directories(plan.checkpoint_folder, error);
  if (error) {
    return absl::PermissionDeniedError(
        absl::StrCat(plan.checkpoint_folder, ": cannot create: ", error.message()));
  }
  return space;
}

SearchIdentity IdentityOfSearch(const TuneArguments& arguments, const SearchSpace& space,
                                const Tuning& tuning) {
  const TrainRun& run = tuning.run;
  return {{"--space", space.yaml},
          {"--schema", run.schema.yaml},
          {"--train", trainer::Fingerprint(run.data.examples, run.data.vocabulary.keys())},
          {"--valid", trainer::Fingerprint(*run.valid)},
          {"--seed", absl::StrCat(arguments.train.fit.learner.seed)},
          {"--metric", tuning.metric},
          {"--epochs, --min-epochs, --reduction or --search",
           absl::StrJoin(tuning.plan.rung_epochs, " ")}};
}

// One line about each result.
class Teller {
 public:
  explicit Teller(const Tuning& tuning) : tuning_(tuning) {}

  void Tell(const trainer::TrialResult& result) {
    std::cerr << absl::StrFormat("trial %d, %d %s: ", result.job.trial, result.epochs,
                                 result.epochs == 1 ? "epoch" : "epochs");
    if (!result.metric) {
      std::cerr << "the loss is not finite: out\n";
      return;
    }
    const double sign = tuning_.larger_is_better ? -1.0 : 1.0;
    const bool best = !best_ || sign * *result.metric < sign * *best_;
    if (best) best_ = result.metric;
    std::cerr << absl::StrFormat("%s %.5f  %.1f s", tuning_.metric, *result.metric, result.seconds)
              << (best ? "  (best so far)" : "") << "\n";
  }

 private:
  const Tuning& tuning_;
  std::optional<double> best_;
};

absl::StatusOr<std::vector<trainer::TrialResult>> SearchTrials(const TuneArguments& arguments,
                                                               const Tuning& tuning,
                                                               Journal& journal,
                                                               TrialRunner& runner) {
  const uint32_t processors = std::max(1U, std::thread::hardware_concurrency());
  const uint32_t workers =
      std::min(arguments.workers > 0 ? arguments.workers : processors, kMaxTuneWorkers);
  const trainer::SearchOptions options = {
      .trials = static_cast<uint32_t>(tuning.plan.trials.size()),
      .rungs = static_cast<uint32_t>(tuning.plan.rung_epochs.size()),
      .reduction = arguments.reduction,
      .workers = workers,
      .window = std::max(kSmallestWindow, kWindowPerWorker * workers),
      .larger_is_better = tuning.larger_is_better};
  Teller teller(tuning);
  const trainer::SearchCallbacks callbacks = {
      .known = [&](const trainer::TrialJob& job) -> std::optional<trainer::TrialResult> {
        const trainer::TrialResult* const result = journal.Find(job);
        if (result == nullptr) return std::nullopt;
        runner.Shelve(*result);
        return *result;
      },
      .run = [&](const trainer::TrialJob& job) { return runner.Run(job); },
      .finished =
          [&](const trainer::TrialResult& result) {
            teller.Tell(result);
            absl::Status status = journal.Add(result);
            if (status.ok()) runner.Shelve(result);
            return status;
          }};
  return trainer::RunSearch(options, callbacks);
}

// Gives the best trial's model its file.
absl::StatusOr<TrainArguments> WriteBest(const TuneArguments& arguments,
                                         const trainer::TrialResult& best, TrialRunner& runner,
                                         TrainRun& run) {
  absl::StatusOr<TrainArguments> of_best = runner.ArgumentsOf(best.job);
  if (!of_best.ok()) return of_best.status();
  absl::StatusOr<trainer::FitResult> learned = runner.Learned(best.job);
  if (!learned.ok()) return learned.status();
  run.fit = *std::move(learned);
  of_best->out = BestModelPath(arguments);
  const absl::StatusOr<trainer::GoldenReport> written = WriteModel(*of_best, run);
  if (!written.ok()) return written.status();
  return of_best;
}

absl::Status WriteText(const std::string& path, const std::string& text) {
  absl::StatusOr<model::AtomicFile> file = model::AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  const absl::Status status = file->Append(std::as_bytes(std::span(text)));
  return status.ok() ? file->Commit() : status;
}

// The version that the best model is in the store; nothing when nobody asked for it.
absl::StatusOr<std::optional<uint64_t>> PublishBest(const TuneArguments& arguments,
                                                    const trainer::TrialResult& best,
                                                    Journal& journal) {
  loader::PublishOptions options = arguments.publish;
  if (options.store.empty()) return std::optional<uint64_t>();
  PublishedTrial published = {.store = options.store,
                              .model = options.model,
                              .trial = best.job.trial,
                              .epochs = best.epochs};
  if (const std::optional<uint64_t> version = journal.FindPublished(published)) {
    std::cerr << absl::StrFormat("was published before, as %s version %d\n", options.model,
                                 *version);
    return version;
  }
  options.without_delta = [](const absl::Status& why) {
    std::cerr << "fm tune: publishes without a delta: " << why.message() << "\n";
  };
  const auto kernels = model::DefaultKernels();
  if (!kernels.ok()) return kernels.status();
  const absl::StatusOr<loader::Manifest> manifest =
      loader::Publish(BestModelPath(arguments), options, **kernels);
  if (!manifest.ok()) return manifest.status();
  published.version = manifest->version;
  if (absl::Status status = journal.AddPublished(published); !status.ok()) return status;
  std::cerr << absl::StrFormat("published %s version %d\n", manifest->model, manifest->version);
  return std::optional<uint64_t>(manifest->version);
}

// Options by which `fm train` learns the best trial's model, all but files.
std::string TrainOptionsText(const TrainArguments& best, const TrialOptions& options) {
  std::string text = absl::StrCat(OptionsText(options), " --epochs ", best.fit.epochs, " --seed ",
                                  best.fit.learner.seed);
  if (best.fit.stop_on == trainer::StopMetric::kAuc) absl::StrAppend(&text, " --stop-on auc");
  return text;
}

}  // namespace

std::string BestModelPath(const TuneArguments& arguments) { return arguments.out + "/best.fmw"; }

absl::StatusOr<Json> Tune(const TuneArguments& arguments) {
  Tuning tuning;
  const absl::StatusOr<SearchSpace> space = Prepare(arguments, tuning);
  if (!space.ok()) return space.status();
  trainer::OneRank alone;
  absl::StatusOr<TrainRun> run = ReadRows(tuning.plan.base, alone);
  if (!run.ok()) return run.status();
  tuning.run = *std::move(run);
  absl::StatusOr<Journal> journal =
      Journal::Open(arguments.out + "/journal.jsonl", IdentityOfSearch(arguments, *space, tuning));
  if (!journal.ok()) return journal.status();
  const size_t known = journal->size();
  if (known > 0) std::cerr << "goes on behind " << known << " results of an earlier run\n";

  TrialRunner runner(tuning.plan, tuning.run);
  const auto results = SearchTrials(arguments, tuning, *journal, runner);
  if (!results.ok()) return results.status();
  const std::vector<trainer::TrialResult> ranking = RankTrials(*results, tuning.larger_is_better);
  if (!ranking.front().metric) {
    return absl::AbortedError(
        "no trial has a finite loss; search smaller values of learning-rate, and use transforms "
        "(log, standardise, buckets) for fields with large numbers");
  }
  const trainer::TrialResult& best = ranking.front();
  const auto of_best = WriteBest(arguments, best, runner, tuning.run);
  if (!of_best.ok()) return of_best.status();
  runner.KeepBest();

  Json json = {{"metric", tuning.metric},
               {"rung_epochs", tuning.plan.rung_epochs},
               {"results", results->size()},
               {"best_trial", best.job.trial},
               {"train_options", TrainOptionsText(*of_best, tuning.plan.trials[best.job.trial])},
               {"leaderboard", LeaderboardJson(ranking, tuning.plan.trials)}};
  absl::Status status = WriteText(arguments.out + "/leaderboard.json", json.dump(1) + "\n");
  if (!status.ok()) return status;
  if (!arguments.json)
    std::cout << LeaderboardText(ranking, tuning.plan.trials, tuning.metric, kShownTrials);
  const auto version = PublishBest(arguments, best, *journal);
  if (!version.ok()) return version.status();
  json["model"] = BestModelPath(arguments);
  json["results_of_earlier_runs"] = known;
  json["published_version"] = version->has_value() ? Json(**version) : Json(nullptr);
  return json;
}

}  // namespace fmserve::tools
