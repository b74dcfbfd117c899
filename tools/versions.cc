// fm versions: every version of a model's weights and catalogue that a server knows of.
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

Json ListJson(const google::protobuf::RepeatedPtrField<fmserve::v1::Version>& versions) {
  Json list = Json::array();
  for (const fmserve::v1::Version& version : versions) list.push_back(VersionJson(version));
  return list;
}

int RunVersions(const OperatorArguments& arguments) {
  OperatorClient client(arguments.target, arguments.timeout);
  const auto response = client.ListVersions(arguments.model);
  if (!response.ok()) return FailRemotely("versions", response.status());
  if (arguments.json) {
    PrintJson({{"model", arguments.model},
               {"versions", ListJson(response->versions())},
               {"catalogue_versions", ListJson(response->catalogue_versions())}});
    return kDone;
  }
  const auto now = std::chrono::system_clock::now();
  const auto& versions = response->versions();
  const auto& catalogues = response->catalogue_versions();
  std::cout << VersionsText({versions.begin(), versions.end()}, now);
  if (catalogues.empty()) return kDone;
  std::cout << "\n" << VersionsText({catalogues.begin(), catalogues.end()}, now, "catalogue");
  return kDone;
}

}  // namespace

void AddVersions(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<OperatorArguments>();
  CLI::App* command = app.add_subcommand(
      "versions",
      "List the versions of a model's weights and catalogue, newest first, with their states.");
  AddOperatorOptions(*command, *arguments, ModelOption::kRequired);
  command->footer("Example:\n  fm versions --target 127.0.0.1:8500 --model ctr");
  command->callback([arguments, &exit_code] { exit_code = RunVersions(*arguments); });
}

}  // namespace fmserve::tools
