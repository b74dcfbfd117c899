// fm calibrate: the same model with probabilities that are right on average.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/progress.h"
#include "tools/rewrite_command.h"
#include "tools/table_model.h"
#include "trainer/metrics.h"
#include "trainer/platt.h"

namespace fmserve::tools {
namespace {

struct CalibrateArguments {
  std::string model;
  std::string rows;  // that the calibration is fitted to
  RewriteArguments rewrite;
};

// Labelled rows and their scores before calibration.
struct ScoredTable {
  std::vector<float> scores;
  std::vector<float> labels;
  std::vector<float> weights;
};

absl::StatusOr<ScoredTable> ScoreRows(TableModel& table_model, const std::string& path) {
  ScoredTable table;
  Progress progress("scoring", 0);
  const absl::Status status = ScoreTable(table_model, path, trainer::Labels::kRequired,
                                         [&](const trainer::Row& row, float score) {
                                           table.scores.push_back(score);
                                           table.labels.push_back(*row.label);
                                           table.weights.push_back(row.weight);
                                           progress.Update(table.labels.size());
                                         });
  progress.Clear();
  if (!status.ok()) return status;
  return table;
}

Json Measure(const ScoredTable& table, model::WeightInfo info,
             const model::Calibration& calibration) {
  info.calibration = calibration;
  std::vector<float> predictions;
  predictions.reserve(table.scores.size());
  for (const float score : table.scores)
    predictions.push_back(static_cast<float>(model::Predict(info, score)));
  return ToJson(trainer::ComputeMetrics(info.task, predictions, table.labels, table.weights));
}

absl::StatusOr<Json> Calibrate(const CalibrateArguments& arguments) {
  absl::StatusOr<TableModel> opened = OpenTableModel(arguments.model, arguments.rewrite.schema);
  if (!opened.ok()) return opened.status();
  const ParentFile parent{.path = arguments.model, .file = opened->file};
  const model::WeightInfo& info = parent.file->info();
  if (info.task != model::Task::kBinary || info.link != model::Link::kSigmoid) {
    return absl::InvalidArgumentError(
        absl::StrCat(arguments.model, ": its predictions are not probabilities by a sigmoid (task ",
                     std::string(model::Name(info.task)), ", link ",
                     std::string(model::Name(info.link)), "); there is nothing to calibrate"));
  }
  const absl::StatusOr<ScoredTable> table = ScoreRows(*opened, arguments.rows);
  if (!table.ok()) return table.status();
  const absl::StatusOr<model::Calibration> calibration =
      trainer::FitPlatt(table->scores, table->labels, table->weights);
  if (!calibration.ok()) {
    return absl::Status(calibration.status().code(),
                        absl::StrCat(arguments.rows, ": ", calibration.status().message()));
  }
  model::WeightFileOptions options = trainer::InheritOptions(*parent.file);
  options.calibration = *calibration;
  const trainer::Lineage lineage =
      MakeLineage("calibrate", absl::StrCat("--rows ", arguments.rows), {parent});
  absl::StatusOr<Json> report =
      WriteRewritten(arguments.rewrite, {parent}, trainer::FileRows(parent.file), options,
                     parent.file->goldens(), trainer::Inherit(parent.file->metadata(), lineage));
  if (!report.ok()) return report.status();
  (*report)["calibration"] = {{"kind", std::string(model::Name(calibration->kind))},
                              {"scale", calibration->scale},
                              {"offset", calibration->offset},
                              {"rows", table->labels.size()},
                              {"before", Measure(*table, info, info.calibration)},
                              {"after", Measure(*table, info, *calibration)}};
  return report;
}

void PrintCalibrated(const Json& report) {
  const Json& fit = report["calibration"];
  std::cout << absl::StrFormat(
      "p = sigmoid(%.6g * score %+.6g), fitted to %d rows\n"
      "there: logloss %.6f -> %.6f, predicted over observed %.4f -> %.4f\n\n",
      fit["scale"].get<double>(), fit["offset"].get<double>(), fit["rows"].get<uint64_t>(),
      fit["before"]["logloss"].get<double>(), fit["after"]["logloss"].get<double>(),
      fit["before"]["calibration"].get<double>(), fit["after"]["calibration"].get<double>());
  PrintRewritten(report);
}

int RunCalibrate(const CalibrateArguments& arguments) {
  const absl::StatusOr<Json> report = Calibrate(arguments);
  if (!report.ok()) return Fail("calibrate", report.status());
  if (arguments.rewrite.json) {
    PrintJson(*report);
  } else {
    PrintCalibrated(*report);
  }
  return kDone;
}

}  // namespace

void AddCalibrate(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<CalibrateArguments>();
  CLI::App* command = app.add_subcommand(
      "calibrate",
      "Fit a weight file's probabilities to rows that it was not trained on (Platt scaling).");
  command->add_option("model", arguments->model, "Weight file")->required()->type_name("M.fmw");
  command
      ->add_option("--rows", arguments->rows,
                   "Labelled rows to fit to: neither those of training nor those of --data")
      ->required()
      ->type_name("FILE");
  AddRewriteOptions(*command, arguments->rewrite);
  command->footer(
      "Example:\n  fm calibrate ctr.fmw --rows valid.tsv --out calibrated.fmw --data test.tsv");
  command->callback([arguments, &exit_code] { exit_code = RunCalibrate(*arguments); });
}

}  // namespace fmserve::tools
