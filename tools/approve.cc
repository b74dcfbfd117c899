// fm approve: serve a version that is held, or the canary, to all.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>

#include "tools/commands.h"
#include "tools/operator_command.h"

namespace fmserve::tools {
namespace {

struct ApproveArguments {
  OperatorArguments common;
  uint64_t version = 0;
};

}  // namespace

void AddApprove(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<ApproveArguments>();
  CLI::App* command = app.add_subcommand(
      "approve",
      "Serve a version that is held, whatever its comparison says (see `fm gate-report`), or the "
      "canary, to all.");
  AddOperatorOptions(*command, arguments->common, ModelOption::kRequired);
  command->add_option("--version", arguments->version, "The version that is held, or the canary")
      ->required()
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  command->footer("Example:\n  fm approve --target 127.0.0.1:8500 --model ctr --version 42");
  command->callback([arguments, &exit_code] {
    exit_code = RunModelCall("approve", arguments->common,
                             [&](OperatorClient& client, const std::string& model) {
                               return client.Approve(model, arguments->version);
                             });
  });
}

}  // namespace fmserve::tools
