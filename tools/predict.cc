// fm predict: one prediction per row, equal to the server's to the last bit.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/json_output.h"
#include "tools/table_model.h"

namespace fmserve::tools {
namespace {

struct PredictArguments {
  std::string model;
  std::string data;
  std::string schema;
  bool scores = false;
  bool json = false;
};

int RunPredict(const PredictArguments& arguments) {
  absl::StatusOr<TableModel> opened = OpenTableModel(arguments.model, arguments.schema);
  if (!opened.ok()) return Fail("predict", opened.status());
  Json predictions = Json::array();
  const absl::Status status = ScoreTable(
      *opened, arguments.data, trainer::Labels::kOptional, [&](const trainer::Row&, float score) {
        const float shown = arguments.scores ? score : opened->scorer->Predict(score);
        if (arguments.json) {
          predictions.push_back(shown);
        } else {
          std::printf("%.9g\n", shown);  // nine digits tell every float from its neighbours
        }
      });
  if (!status.ok()) return Fail("predict", status);
  if (arguments.json) {
    PrintJson({{arguments.scores ? "scores" : "predictions", std::move(predictions)}});
    return kDone;
  }
  if (std::fflush(stdout) != 0) {
    return Fail("predict", absl::UnavailableError("cannot write to standard output"));
  }
  return kDone;
}

}  // namespace

void AddPredict(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<PredictArguments>();
  CLI::App* command =
      app.add_subcommand("predict", "Print one prediction per row, as the server would answer.");
  command->add_option("model", arguments->model, "Weight file")->required()->type_name("M.fmw");
  command->add_option("--data", arguments->data, "Rows; labels may be missing")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--schema", arguments->schema,
                   "How the rows are laid out, if not as in training")
      ->type_name("S.yaml");
  command->add_flag("--scores", arguments->scores, "Print scores, before calibration and link");
  command->add_flag("--json", arguments->json, "Print one JSON object with all of them");
  command->footer("Example:\n  fm predict ctr.fmw --data day3.tsv > predictions.txt");
  command->callback([arguments, &exit_code] { exit_code = RunPredict(*arguments); });
}

}  // namespace fmserve::tools
