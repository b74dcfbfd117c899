// fm generate: a click log to try everything on.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/format.h"
#include "tools/generate/click_log.h"
#include "tools/json_output.h"

namespace fmserve::tools {
namespace {

struct GenerateArguments {
  ClickLogOptions options;
  bool json = false;
};

int RunGenerate(const GenerateArguments& arguments) {
  const auto splits = WriteClickLog(arguments.options);
  if (!splits.ok()) return Fail("generate", splits.status());
  if (arguments.json) {
    Json report = Json::object();
    for (const ClickLogSplit& split : *splits) {
      report[split.name] = {
          {"path", split.path}, {"clicks", split.clicks}, {"hidden", ToJson(split.hidden)}};
    }
    PrintJson(report);
    return kDone;
  }
  std::vector<std::vector<std::string>> rows = {
      {"file", "rows", "clicks", "best logloss", "best auc"}};
  for (const ClickLogSplit& split : *splits) {
    rows.push_back({split.path, std::to_string(split.hidden.rows), std::to_string(split.clicks),
                    absl::StrFormat("%.5f", split.hidden.logloss.value_or(0.0)),
                    split.hidden.auc ? absl::StrFormat("%.4f", *split.hidden.auc) : "-"});
  }
  std::cout << FormatTable(rows)
            << "best: what the hidden model that drew the clicks reaches itself\n";
  return kDone;
}

}  // namespace

void AddGenerate(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<GenerateArguments>();
  ClickLogOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand("generate",
                                         "Write a click log drawn from a hidden factorization "
                                         "machine, with its schema, to try things on.");
  command
      ->add_option("--out", options.dir,
                   "Folder for schema.yaml, train.tsv, valid.tsv and test.tsv")
      ->required()
      ->type_name("DIR");
  command->add_option("--rows", options.rows, "Rows of all three files together")
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{10}, uint64_t{1'000'000'000}));
  command->add_option("--ctr", options.ctr, "Share of clicks, about")
      ->capture_default_str()
      ->check(CLI::Range(1e-6, 0.999999));
  command->add_option("--seed", options.seed, "Another seed, another log")->capture_default_str();
  command->add_flag("--json", arguments->json, "Print one JSON object on standard output");
  command->footer("Example:\n  fm generate --rows 1000000 --seed 7 --out log");
  command->callback([arguments, &exit_code] { exit_code = RunGenerate(*arguments); });
}

}  // namespace fmserve::tools
