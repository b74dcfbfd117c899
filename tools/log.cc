// fm log: what a server asked for a prediction log wrote.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/json_output.h"
#include "tools/log/log_reader.h"
#include "tools/log/record_json.h"

namespace fmserve::tools {
namespace {

// Prints the records before an error, too.
absl::Status PrintRecords(const std::string& path) {
  absl::StatusOr<LogReader> reader = LogReader::Open(path);
  if (!reader.ok()) return reader.status();
  v1::PredictionRecord record;
  for (;;) {
    const absl::StatusOr<bool> more = reader->Next(&record);
    if (!more.ok()) return more.status();
    if (!*more) break;
    PrintJson(RecordJson(record, reader->field_names()));
    if (!std::cout) return absl::UnavailableError("cannot write to standard output");
  }
  if (reader->cut_off()) {
    std::cerr << "fm log cat: " << path
              << ": ends inside a frame, which is left out: it is being written, or its server "
                 "was killed\n";
  }
  return absl::OkStatus();
}

// A damaged file does not keep the others from being read.
int RunCat(const std::vector<std::string>& paths) {
  const absl::StatusOr<std::vector<std::string>> files = FindLogFiles(paths);
  if (!files.ok()) return Fail("log cat", files.status());
  int exit_code = kDone;
  for (const std::string& file : *files) {
    const absl::Status status = PrintRecords(file);
    if (!status.ok()) exit_code = std::max<int>(exit_code, Fail("log cat", status));
    if (!std::cout) break;
  }
  return exit_code;
}

}  // namespace

void AddLog(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("log", "Read the prediction logs of servers.");
  command->require_subcommand(1);
  auto paths = std::make_shared<std::vector<std::string>>();
  CLI::App* cat = command->add_subcommand("cat", "Print records as JSON, one on each line.");
  cat->add_option("paths", *paths, "Log files, also unfinished ones, and folders of them")
      ->required()
      ->type_name("PATH");
  cat->footer(
      "A damaged file is told of on standard error; exit code 3 then, after all others were "
      "printed.\n"
      "Example:\n  fm log cat logs/ | jq -r '[.time, .request_id, .version] | @tsv'");
  cat->callback([paths, &exit_code] { exit_code = RunCat(*paths); });
  command->footer("Example:\n  fm log cat logs/\n`fm log cat --help` tells more.");
}

}  // namespace fmserve::tools
