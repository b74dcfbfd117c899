// fm join: from what was served and clicked to what is learned from.
#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tools/commands.h"
#include "tools/duration_option.h"
#include "tools/exit_codes.h"
#include "tools/join/click_table.h"
#include "tools/join/joiner.h"
#include "tools/json_output.h"
#include "tools/progress.h"

namespace fmserve::tools {
namespace {

struct JoinArguments {
  JoinOptions options;
  std::chrono::milliseconds window{30 * 60 * 1000};
  bool json = false;
};

Json ReportJson(const JoinReport& report) {
  return {{"files", report.files},
          {"cut_off_files", report.cut_off_files},
          {"records", report.records},
          {"rows", report.rows},
          {"positives", report.positives},
          {"clicks", report.clicks},
          {"unmatched_clicks", report.unmatched_clicks},
          {"clicks_outside_window", report.clicks_outside_window},
          {"left_out",
           {{"open_records", report.open_records},
            {"unscored", report.unscored},
            {"unknown_items", report.unknown_items},
            {"unwritable", report.unwritable}}},
          {"unnamed_values", report.unnamed_values}};
}

// What somebody should know of, if there is any.
void PrintWarning(uint64_t count, const char* what) {
  if (count > 0) std::cerr << absl::StrFormat("  %d %s\n", count, what);
}

void PrintReport(const JoinReport& report, const std::string& out) {
  std::cerr << absl::StrFormat(
      "wrote %s: %d rows, %d of them clicked, from %d records in %d files and %d clicks\n", out,
      report.rows, report.positives, report.records, report.files, report.clicks);
  PrintWarning(report.cut_off_files, "files end inside a frame: still being written, or cut off");
  PrintWarning(report.unmatched_clicks,
               "clicks of requests or candidates that are not in the log, as when it is a sample");
  PrintWarning(report.clicks_outside_window, "clicks before the answer or after the window");
  PrintWarning(report.open_records, "records left out: their windows are not over");
  PrintWarning(report.unscored, "candidates left out: the time ran out before they were scored");
  PrintWarning(report.unknown_items, "candidates left out: --items lacks them");
  PrintWarning(report.unwritable,
               "candidates left out: a value has a character that the table cannot hold");
  PrintWarning(report.unnamed_values,
               "values came as keys that neither --names nor --values name: they got stand-ins");
}

int RunJoin(JoinArguments arguments) {
  arguments.options.window = absl::FromChrono(arguments.window);
  Progress progress("joining records", 0);
  const absl::StatusOr<JoinReport> report =
      Join(arguments.options, [&progress](uint64_t records) { progress.Update(records); });
  progress.Clear();
  if (!report.ok()) return Fail("join", report.status());
  PrintReport(*report, arguments.options.out);
  if (arguments.json) PrintJson(ReportJson(*report));
  return kDone;
}

void AddInputOptions(CLI::App& command, JoinArguments& arguments) {
  JoinOptions& options = arguments.options;
  command
      .add_option("--predictions", options.predictions,
                  "Prediction logs, or folders of them; may be given again")
      ->required()
      ->type_name("PATH");
  command
      .add_option("--clicks", options.clicks,
                  "Table with the columns request_id, position or item, and time")
      ->required()
      ->type_name("FILE");
  command.add_option("--schema", options.schema, "Fields of the rows: the model's")
      ->required()
      ->type_name("S.yaml");
  command.add_option("--out", options.out, "Table to write, .tsv or .csv")
      ->required()
      ->type_name("FILE");
  AddDurationOption(command, "--window", arguments.window,
                    "A click counts this long after the answer; 30m if not given");
  command
      .add_option_function<std::string>(
          "--complete-until",
          [&options](const std::string& text) {
            const std::optional<absl::Time> time = ParseTime(text);
            if (!time.has_value()) {
              throw CLI::ValidationError("--complete-until",
                                         "'" + text +
                                             "' is neither seconds since 1970 nor as in "
                                             "2026-11-23T10:00:00Z");
            }
            options.complete_until = *time;
          },
          "All clicks up to then are in the file; now if not given. Records whose windows end "
          "later are left out")
      ->type_name("WHEN");
  command.add_option("--model", options.model, "Of these records; needed where there are several")
      ->type_name("NAME");
  command
      .add_option("--shown", options.shown,
                  "Table like --clicks: only these candidates become rows; all if not given")
      ->type_name("FILE");
}

void AddValueOptions(CLI::App& command, JoinOptions& options) {
  command
      .add_option("--id", options.id_field, "Field whose values are the ids of items in the tables")
      ->type_name("FIELD");
  command
      .add_option("--items", options.items,
                  "Table with the features of items, for requests that name them by ids")
      ->type_name("FILE");
  command
      .add_option("--names", options.weights,
                  "Weight file that names the values of keys, for requests in the packed form")
      ->type_name("M.fmw");
  command
      .add_option("--values", options.values,
                  "More values for that: lines of a field, a tab and a value")
      ->type_name("FILE");
}

}  // namespace

void AddJoin(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<JoinArguments>();
  arguments->options.complete_until = absl::Now();
  CLI::App* command = app.add_subcommand(
      "join",
      "Make rows to learn from out of prediction logs and clicks, with the features as "
      "they were served.");
  AddInputOptions(*command, *arguments);
  AddValueOptions(*command, arguments->options);
  command->add_flag("--json", arguments->json, "Print one JSON object on standard output");
  command->footer(
      "Example:\n  fm join --predictions logs/ --clicks clicks.tsv --schema ctr.yaml --window 30m "
      "--out day.tsv");
  command->callback([arguments, &exit_code] { exit_code = RunJoin(*arguments); });
}

}  // namespace fmserve::tools
