// fm pin: serve exactly one version.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>

#include "tools/commands.h"
#include "tools/operator_command.h"

namespace fmserve::tools {
namespace {

struct PinArguments {
  OperatorArguments common;
  uint64_t version = 0;
};

}  // namespace

void AddPin(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<PinArguments>();
  CLI::App* command = app.add_subcommand(
      "pin", "Serve exactly this version, whatever is published, until `fm unpin`.");
  AddOperatorOptions(*command, arguments->common, ModelOption::kRequired);
  command->add_option("--version", arguments->version, "The version; `fm versions` lists them")
      ->required()
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  command->footer("Example:\n  fm pin --target 127.0.0.1:8500 --model ctr --version 41");
  command->callback([arguments, &exit_code] {
    exit_code = RunModelCall("pin", arguments->common,
                             [&](OperatorClient& client, const std::string& model) {
                               return client.Pin(model, arguments->version);
                             });
  });
}

}  // namespace fmserve::tools
