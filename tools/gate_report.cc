// fm gate-report: how a new version compared with the one that serves.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <iostream>
#include <memory>

#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/gate_report_text.h"
#include "tools/json_output.h"
#include "tools/operator_command.h"

namespace fmserve::tools {
namespace {

struct GateReportArguments {
  OperatorArguments common;
  uint64_t version = 0;
};

int RunGateReport(const GateReportArguments& arguments) {
  OperatorClient client(arguments.common.target, arguments.common.timeout);
  const auto report = client.GetGateReport(arguments.common.model, arguments.version);
  if (!report.ok()) return FailRemotely("gate-report", report.status());
  if (arguments.common.json) {
    PrintJson(GateReportJson(*report));
  } else {
    std::cout << GateReportText(*report, std::chrono::system_clock::now());
  }
  return kDone;
}

}  // namespace

void AddGateReport(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<GateReportArguments>();
  CLI::App* command = app.add_subcommand(
      "gate-report", "Show how a new version compared with the serving one on recent requests.");
  AddOperatorOptions(*command, arguments->common, ModelOption::kRequired);
  command
      ->add_option("--version", arguments->version,
                   "The version; that which is held, or was judged last, if not given")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  command->footer("Example:\n  fm gate-report --target 127.0.0.1:8500 --model ctr");
  command->callback([arguments, &exit_code] { exit_code = RunGateReport(*arguments); });
}

}  // namespace fmserve::tools
