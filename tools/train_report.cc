#include "tools/train_report.h"

#include <sys/resource.h>

#include <cstdint>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/rewrite_command.h"
#include "trainer/average.h"

namespace fmserve::tools {
namespace {

void AddMetrics(const std::string& prefix, const trainer::Metrics& metrics,
                model::Metadata& metadata) {
  const Json json = ToJson(metrics);
  for (const auto& [name, value] : json.items()) {
    if (name != "rows" && !value.is_null()) metadata.emplace_back(prefix + name, value.dump());
  }
}

uint64_t PeakMemoryBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

// Equal for models that may be averaged: they began with the same parameters.
std::string DescribeStart(const TrainArguments& arguments, const TrainRun& run) {
  std::string anew = trainer::DescribeStart(arguments.fit.learner);
  if (!run.warm_start) return anew;
  return absl::StrCat("from ", Sha256Of(*run.warm_start->file), "; new features ", anew);
}

model::Metadata SgdMetadata(const TrainArguments& arguments, const TrainRun& run) {
  const trainer::FitOptions& fit = arguments.fit;
  const trainer::LearnerOptions& learner = fit.learner;
  model::Metadata metadata = {
      {"option.k", absl::StrCat(learner.k)},
      {"option.epochs", absl::StrCat(fit.epochs)},
      {"option.patience", absl::StrCat(fit.patience)},
      {"option.learning_rate", absl::StrCat(learner.learning_rate)},
      {"option.linear_learning_rate",
       absl::StrCat(learner.linear_learning_rate.value_or(learner.learning_rate))},
      {"option.l2_linear", absl::StrCat(learner.l2_linear)},
      {"option.l2_factors", absl::StrCat(learner.l2_factors)},
      {"option.init_stddev", absl::StrCat(learner.init_stddev)},
      {"option.init_accumulator", absl::StrCat(learner.init_accumulator)},
      {"option.step_decay", absl::StrCat(learner.step_decay)},
      {"option.negatives", absl::StrCat(learner.negatives)},
      {"option.stop_on", fit.stop_on == trainer::StopMetric::kAuc ? "auc" : "loss"},
      {"option.threads", absl::StrCat(learner.threads)},
      {"option.seed", absl::StrCat(learner.seed)},
      {std::string(trainer::kStartMetadataName), DescribeStart(arguments, run)}};
  const trainer::FieldOptions& field = learner.field;
  if (field.rank > 0) {
    metadata.emplace_back("option.rank", absl::StrCat(field.rank));
    metadata.emplace_back("option.field_learning_rate", absl::StrCat(field.learning_rate));
    metadata.emplace_back("option.init_field_stddev", absl::StrCat(field.init_stddev));
  }
  return metadata;
}

model::Metadata GibbsMetadata(const trainer::GibbsOptions& gibbs) {
  return {{"option.k", absl::StrCat(gibbs.k)},
          {"option.draws", absl::StrCat(gibbs.draws)},
          {"option.burn_in", absl::StrCat(gibbs.burn_in)},
          {"option.init_stddev", absl::StrCat(gibbs.init_stddev)},
          {"option.seed", absl::StrCat(gibbs.seed)}};
}

model::Metadata OptionMetadata(const TrainArguments& arguments, const TrainRun& run) {
  model::Metadata metadata = {{"option.kind", arguments.kind}, {"option.method", arguments.method}};
  const bool gibbs = arguments.method == kGibbs;
  for (auto& option : gibbs ? GibbsMetadata(arguments.gibbs) : SgdMetadata(arguments, run))
    metadata.push_back(std::move(option));
  if (run.warm_start) {
    const model::WeightInfo& info = run.warm_start->file->info();
    metadata.emplace_back("option.warm_start",
                          absl::StrCat(info.model_name, " version ", info.version, ", sha256 ",
                                       Sha256Of(*run.warm_start->file)));
    metadata.emplace_back("option.unseen_weights", absl::StrCat(run.warm_start->unseen));
  }
  return metadata;
}

// The epochs one by one, for `fm report --curves`.
Json CurveJson(model::Task task, const std::vector<trainer::EpochReport>& epochs) {
  Json curve = Json::array();
  for (const trainer::EpochReport& report : epochs) {
    Json epoch = {{"epoch", report.epoch}, {"train_loss", report.train_loss}};
    epoch["valid_loss"] = report.valid ? Json(trainer::Loss(task, *report.valid)) : Json(nullptr);
    curve.push_back(std::move(epoch));
  }
  return curve;
}

}  // namespace

std::string EpochText(model::Task task, const trainer::EpochReport& report) {
  const bool binary = task == model::Task::kBinary;
  std::string text = absl::StrFormat("epoch %2d  train %s %.5f", report.epoch,
                                     binary ? "logloss" : "loss", report.train_loss);
  if (report.valid) {
    absl::StrAppendFormat(&text, "  valid %s %.5f", binary ? "logloss" : "rmse",
                          trainer::Loss(task, *report.valid));
    if (report.valid->auc) absl::StrAppendFormat(&text, " auc %.5f", *report.valid->auc);
    if (report.bayesian_rmse)
      absl::StrAppendFormat(&text, "  mean prediction %.5f", *report.bayesian_rmse);
  }
  absl::StrAppendFormat(&text, "  %.1f s%s", report.seconds, report.best ? "" : "  (no better)");
  return text;
}

model::Metadata TrainMetadata(const TrainArguments& arguments, const TrainRun& run) {
  const trainer::FitResult& result = run.fit;
  const auto file_name = [](const std::filesystem::path& path) {
    return (path.has_filename() ? path : path.parent_path()).filename().string();
  };
  model::Metadata metadata = {{std::string(trainer::kSchemaMetadataName), run.schema.yaml},
                              {"data.train.file", file_name(arguments.train)}};
  if (!arguments.valid.empty()) {
    metadata.emplace_back("data.valid.file", file_name(arguments.valid));
    metadata.emplace_back("data.valid.rows", absl::StrCat(result.best().valid->rows));
  }
  for (auto& entry : trainer::DescribeData(run.data)) metadata.push_back(std::move(entry));
  for (auto& option : OptionMetadata(arguments, run)) metadata.push_back(std::move(option));
  for (const trainer::EpochReport& report : result.epochs) {
    const std::string prefix = absl::StrCat("metric.epoch.", report.epoch, ".");
    metadata.emplace_back(prefix + "train.loss", absl::StrCat(report.train_loss));
    if (report.valid) {
      metadata.emplace_back(prefix + "valid.loss",
                            absl::StrCat(trainer::Loss(arguments.fit.learner.task, *report.valid)));
    }
  }
  if (run.ranks > 1) {
    metadata.emplace_back("option.ranks", absl::StrCat(run.ranks));
    metadata.emplace_back("option.average_every", absl::StrCat(arguments.fit.average_every_rows));
  }
  metadata.emplace_back("metric.best_epoch", absl::StrCat(result.best_epoch));
  metadata.emplace_back("metric.train.loss", absl::StrCat(result.best().train_loss));
  if (result.best().valid) AddMetrics("metric.valid.", *result.best().valid, metadata);
  if (const auto& bayesian = result.epochs.back().bayesian_rmse)
    metadata.emplace_back("metric.valid.bayesian_rmse", absl::StrCat(*bayesian));
  return metadata;
}

Json TrainSummary(const TrainArguments& arguments, const TrainRun& run,
                  const trainer::GoldenReport& goldens) {
  const trainer::FitResult& result = run.fit;
  double train_seconds = 0.0;
  for (const trainer::EpochReport& report : result.epochs) train_seconds += report.seconds;
  const double epochs = static_cast<double>(result.epochs.size());
  const auto rows = static_cast<double>(run.data.rows_count);
  const auto nonzeros = static_cast<double>(run.data.entries_count);
  const double rate = train_seconds > 0.0 ? epochs / train_seconds : 0.0;
  Json json = {{"out", arguments.out},
               {"rows", run.data.rows_count},
               {"features", run.data.vocabulary.size()},
               {"nonzeros", run.data.entries_count},
               {"kind", arguments.kind},
               {"k", result.parameters.k},
               {"quantization", model::Name(arguments.pack.quantization)},
               {"epochs", result.epochs.size()},
               {"best_epoch", result.best_epoch},
               {"stopped", result.stopped},
               {"ranks", run.ranks},
               {"train_loss", result.best().train_loss},
               {"read_seconds", run.read_seconds},
               {"train_seconds", train_seconds},
               {"read_rows_per_second", rows / run.read_seconds},
               {"train_rows_per_second", rows * rate},
               {"train_nonzeros_per_second", nonzeros * rate},
               {"peak_memory_bytes", PeakMemoryBytes()},
               {"file_bytes", std::filesystem::file_size(arguments.out)},
               {"goldens", goldens.goldens},
               {"golden_max_error", goldens.max_error}};
  if (const auto& bayesian = result.epochs.back().bayesian_rmse) json["bayesian_rmse"] = *bayesian;
  json["valid"] = result.best().valid ? ToJson(*result.best().valid) : Json(nullptr);
  json["curve"] = CurveJson(arguments.fit.learner.task, result.epochs);
  return json;
}

}  // namespace fmserve::tools
