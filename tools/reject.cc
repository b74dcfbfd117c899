// fm reject: give up a version that is held, or the canary.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "tools/commands.h"
#include "tools/operator_command.h"

namespace fmserve::tools {
namespace {

struct RejectArguments {
  OperatorArguments common;
  uint64_t version = 0;
  std::string reason;
};

}  // namespace

void AddReject(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<RejectArguments>();
  CLI::App* command = app.add_subcommand(
      "reject", "Reject a version that is held, or the canary; it is not tried again.");
  AddOperatorOptions(*command, arguments->common, ModelOption::kRequired);
  command->add_option("--version", arguments->version, "The version that is held, or the canary")
      ->required()
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  command->add_option("--reason", arguments->reason, "Why, for those who ask later")
      ->required()
      ->type_name("TEXT");
  command->footer(
      "Example:\n  fm reject --target 127.0.0.1:8500 --model ctr --version 42 --reason "
      "\"trained on last year's log\"");
  command->callback([arguments, &exit_code] {
    exit_code = RunModelCall("reject", arguments->common,
                             [&](OperatorClient& client, const std::string& model) {
                               return client.Reject(model, arguments->version, arguments->reason);
                             });
  });
}

}  // namespace fmserve::tools
