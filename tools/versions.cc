// fm versions: every version of a model that a server knows of.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <vector>

#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/json_output.h"
#include "tools/operator_command.h"
#include "tools/operator_report.h"

namespace fmserve::tools {
namespace {

int RunVersions(const OperatorArguments& arguments) {
  OperatorClient client(arguments.target, arguments.timeout);
  const auto response = client.ListVersions(arguments.model);
  if (!response.ok()) return FailRemotely("versions", response.status());
  if (arguments.json) {
    Json list = Json::array();
    for (const fmserve::v1::Version& version : response->versions())
      list.push_back(VersionJson(version));
    PrintJson({{"model", arguments.model}, {"versions", list}});
  } else {
    const auto& versions = response->versions();
    std::cout << VersionsText({versions.begin(), versions.end()}, std::chrono::system_clock::now());
  }
  return kDone;
}

}  // namespace

void AddVersions(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<OperatorArguments>();
  CLI::App* command = app.add_subcommand(
      "versions", "List the versions of a model, newest first, with their states.");
  AddOperatorOptions(*command, *arguments, ModelOption::kRequired);
  command->footer("Example:\n  fm versions --target 127.0.0.1:8500 --model ctr");
  command->callback([arguments, &exit_code] { exit_code = RunVersions(*arguments); });
}

}  // namespace fmserve::tools
