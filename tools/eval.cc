// fm eval: how good a weight file is on labelled rows.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/format.h"
#include "tools/json_output.h"
#include "tools/progress.h"
#include "tools/table_model.h"
#include "trainer/metrics.h"

namespace fmserve::tools {
namespace {

struct EvalArguments {
  std::string model;
  std::string data;
  std::string schema;
  bool json = false;
};

void PrintTable(const trainer::Metrics& metrics) {
  std::vector<std::vector<std::string>> rows = {{"metric", "value"},
                                                {"rows", std::to_string(metrics.rows)}};
  const std::pair<const char*, std::optional<double>> values[] = {
      {"logloss", metrics.logloss},
      {"auc", metrics.auc},
      {"normalized_entropy", metrics.normalized_entropy},
      {"calibration", metrics.calibration},
      {"rmse", metrics.rmse}};
  for (const auto& [name, value] : values) {
    if (value) rows.push_back({name, absl::StrFormat("%.6f", *value)});
  }
  std::cout << FormatTable(rows);
}

int RunEval(const EvalArguments& arguments) {
  absl::StatusOr<TableModel> opened = OpenTableModel(arguments.model, arguments.schema);
  if (!opened.ok()) return Fail("eval", opened.status());
  std::vector<float> predictions;
  std::vector<float> labels;
  std::vector<float> weights;
  Progress progress("scoring", 0);
  const absl::Status status = ScoreTable(*opened, arguments.data, trainer::Labels::kRequired,
                                         [&](const trainer::Row& row, float score) {
                                           predictions.push_back(opened->scorer->Predict(score));
                                           labels.push_back(*row.label);
                                           weights.push_back(row.weight);
                                           progress.Update(labels.size());
                                         });
  progress.Clear();
  if (!status.ok()) return Fail("eval", status);
  const trainer::Metrics metrics =
      trainer::ComputeMetrics(opened->file->info().task, predictions, labels, weights);
  if (arguments.json) {
    PrintJson(ToJson(metrics));
  } else {
    PrintTable(metrics);
  }
  return kDone;
}

}  // namespace

void AddEval(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<EvalArguments>();
  CLI::App* command = app.add_subcommand("eval", "Measure a weight file on labelled rows.");
  command->add_option("model", arguments->model, "Weight file")->required()->type_name("M.fmw");
  command->add_option("--data", arguments->data, "Labelled rows")->required()->type_name("FILE");
  command
      ->add_option("--schema", arguments->schema,
                   "How the rows are laid out, if not as in training")
      ->type_name("S.yaml");
  command->add_flag("--json", arguments->json, "Print one JSON object on standard output");
  command->footer("Example:\n  fm eval ctr.fmw --data day3.tsv --json");
  command->callback([arguments, &exit_code] { exit_code = RunEval(*arguments); });
}

}  // namespace fmserve::tools
