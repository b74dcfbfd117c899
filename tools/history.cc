// fm history: what happened to each version of a model, when, by whom and why.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <iostream>
#include <memory>

#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/history_text.h"
#include "tools/json_output.h"
#include "tools/operator_command.h"

namespace fmserve::tools {
namespace {

constexpr uint32_t kMaxVersions = 1000;  // as the server

struct HistoryArguments {
  OperatorArguments common;
  uint32_t limit = 20;
  uint64_t version = 0;
};

int RunHistory(const HistoryArguments& arguments) {
  OperatorClient client(arguments.common.target, arguments.common.timeout);
  const auto history =
      client.ListHistory(arguments.common.model, arguments.limit, arguments.version);
  if (!history.ok()) return FailRemotely("history", history.status());
  if (arguments.common.json) {
    Json versions = Json::array();
    for (const auto& version : history->versions()) versions.push_back(VersionHistoryJson(version));
    PrintJson({{"model", arguments.common.model}, {"versions", std::move(versions)}});
  } else {
    std::cout << (arguments.version == 0 ? HistoryText(*history) : EventsText(*history));
  }
  return kDone;
}

}  // namespace

void AddHistory(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<HistoryArguments>();
  CLI::App* command = app.add_subcommand(
      "history", "Tell what happened to each version of a model, when, by whom and why.");
  AddOperatorOptions(*command, arguments->common, ModelOption::kRequired);
  command->add_option("--limit", arguments->limit, "Versions, the newest first")
      ->check(CLI::Range(1U, kMaxVersions))
      ->capture_default_str()
      ->type_name("N");
  command->add_option("--version", arguments->version, "All that happened to this version")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  command->footer("Example:\n  fm history ctr --target 127.0.0.1:8500 --version 42");
  command->callback([arguments, &exit_code] { exit_code = RunHistory(*arguments); });
}

}  // namespace fmserve::tools
