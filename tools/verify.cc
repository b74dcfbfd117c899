// fm verify: everything that a reader of a weight file checks, and its goldens.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/format.h"
#include "tools/json_output.h"
#include "trainer/table_scorer.h"

namespace fmserve::tools {
namespace {

int RunVerify(const std::string& path, bool json) {
  const absl::StatusOr<std::shared_ptr<const model::WeightFile>> file =
      model::WeightFile::Open(path);
  if (!file.ok()) return Fail("verify", file.status());
  const absl::StatusOr<std::unique_ptr<trainer::TableScorer>> scorer =
      trainer::TableScorer::Create(*file);
  if (!scorer.ok()) return Fail("verify", scorer.status());
  const absl::StatusOr<trainer::GoldenReport> goldens = trainer::CheckGoldens(**scorer);
  if (!goldens.ok()) {
    return Fail("verify", absl::DataLossError(
                              absl::StrCat(path, ": ", std::string(goldens.status().message()))));
  }
  const model::WeightInfo& info = (*file)->info();
  if (json) {
    PrintJson({{"path", path},
               {"bytes", info.file_size},
               {"sections", (*file)->sections().size()},
               {"rows", info.rows_count},
               {"goldens", goldens->goldens},
               {"golden_max_error", goldens->max_error}});
    return kDone;
  }
  std::cout << path << " is whole: " << FormatBytes(info.file_size) << "\n"
            << "  structure  header and " << (*file)->sections().size()
            << " sections, checksums right\n"
            << "  rows       " << info.rows_count << " found by their keys, all values finite\n"
            << "  goldens    " << goldens->goldens << " scored as the trainer computed"
            << absl::StrFormat(" (largest relative difference %.1e)\n", goldens->max_error);
  return kDone;
}

}  // namespace

void AddVerify(CLI::App& app, int& exit_code) {
  auto path = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand(
      "verify", "Check that a weight file is whole and scores as it was trained.");
  command->add_option("model", *path, "Weight file")->required()->type_name("M.fmw");
  command->add_flag("--json", *json, "Print one JSON object on standard output");
  command->footer("Example:\n  fm verify ctr.fmw || echo broken");
  command->callback([path, json, &exit_code] { exit_code = RunVerify(*path, *json); });
}

}  // namespace fmserve::tools
