// fm status: what serves now, and what goes on.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/json_output.h"
#include "tools/operator_command.h"
#include "tools/operator_report.h"

namespace fmserve::tools {
namespace {

int RunStatus(const OperatorArguments& arguments) {
  OperatorClient client(arguments.target, arguments.timeout);
  const auto response = client.ListModels();
  if (!response.ok()) return FailRemotely("status", response.status());
  std::vector<fmserve::v1::Model> models;
  for (const fmserve::v1::Model& model : response->models()) {
    if (arguments.model.empty() || arguments.model == model.name()) models.push_back(model);
  }
  if (models.empty() && !arguments.model.empty()) {
    return FailRemotely(
        "status", absl::NotFoundError(absl::StrCat(arguments.target, " has no model '",
                                                   arguments.model, "'; `fm status` lists all")));
  }
  if (arguments.json) {
    Json list = Json::array();
    for (const fmserve::v1::Model& model : models) list.push_back(ModelJson(model));
    PrintJson({{"models", list}});
  } else {
    std::cout << ModelsText(models, std::chrono::system_clock::now());
  }
  return kDone;
}

}  // namespace

void AddStatus(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<OperatorArguments>();
  CLI::App* command =
      app.add_subcommand("status", "Tell what serves now: of one model, or of all.");
  AddOperatorOptions(*command, *arguments, ModelOption::kOptional);
  command->footer("Example:\n  fm status --target 127.0.0.1:8500");
  command->callback([arguments, &exit_code] { exit_code = RunStatus(*arguments); });
}

}  // namespace fmserve::tools
