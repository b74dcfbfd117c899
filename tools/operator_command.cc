#include "tools/operator_command.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "tools/duration_option.h"
#include "tools/exit_codes.h"
#include "tools/json_output.h"
#include "tools/operator_report.h"

namespace fmserve::tools {

void AddOperatorOptions(CLI::App& command, OperatorArguments& arguments, ModelOption model) {
  command.add_option("--target", arguments.target, "Server: HOST:PORT or unix:PATH")
      ->capture_default_str()
      ->type_name("ADDRESS");
  command.add_option("model,--model", arguments.model, "Name of the model")
      ->required(model == ModelOption::kRequired)
      ->type_name("NAME");
  AddDurationOption(command, "--timeout", arguments.timeout,
                    "Longest wait for the server; 30s if not given");
  command.add_flag("--json", arguments.json, "Print one JSON object on standard output");
}

int FailRemotely(const std::string& command, const absl::Status& status) {
  std::cerr << "fm " << command << ": " << status.message() << "\n";
  return kFailed;
}

int RunModelCall(const std::string& command, const OperatorArguments& arguments,
                 const ModelCall& call) {
  OperatorClient client(arguments.target, arguments.timeout);
  const absl::StatusOr<fmserve::v1::Model> model = call(client, arguments.model);
  if (!model.ok()) return FailRemotely(command, model.status());
  if (arguments.json) {
    PrintJson(ModelJson(*model));
  } else {
    std::cout << ModelsText({*model}, std::chrono::system_clock::now());
  }
  return kDone;
}

void AddModelCommand(CLI::App& app, int& exit_code, const std::string& name,
                     const std::string& description, const ModelCall& call) {
  auto arguments = std::make_shared<OperatorArguments>();
  CLI::App* command = app.add_subcommand(name, description);
  AddOperatorOptions(*command, *arguments, ModelOption::kRequired);
  command->footer("Example:\n  fm " + name + " --target 127.0.0.1:8500 --model ctr");
  command->callback(
      [name, arguments, call, &exit_code] { exit_code = RunModelCall(name, *arguments, call); });
}

}  // namespace fmserve::tools
