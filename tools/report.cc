// fm report: a page that shows how good a weight file is on labelled rows.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "model/atomic_file.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/format.h"
#include "tools/json_output.h"
#include "tools/report/collect.h"
#include "tools/report/page.h"

namespace fmserve::tools {
namespace {

struct ReportArguments {
  ReportOptions options;
  std::string out;
  bool json = false;
};

Json OptionalJson(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// {"logloss": {"value", "low", "high"}, …}: of the measures that are defined.
Json EstimatesJson(const trainer::Estimates& estimates) {
  Json json = Json::object();
  for (size_t i = 0; i < estimates.size(); ++i) {
    const trainer::Estimate& estimate = estimates[i];
    if (!estimate.value) continue;
    const auto& interval = estimate.interval;
    json[std::string(Name(static_cast<trainer::Measure>(i)))] = {
        {"value", *estimate.value},
        {"low", interval ? Json(interval->low) : Json(nullptr)},
        {"high", interval ? Json(interval->high) : Json(nullptr)}};
  }
  return json;
}

Json PageJson(const std::string& out, size_t bytes, const ReportData& data) {
  const trainer::Evaluation& evaluation = data.evaluation;
  Json json = {{"out", out},
               {"bytes", bytes},
               {"rows", data.rows_read},
               {"rows_used", data.rows_used},
               {"measures", EstimatesJson(evaluation.first.measures)},
               {"bucket_correlation", OptionalJson(evaluation.first.bucket_correlation)}};
  if (evaluation.second) {
    json["compare"] = EstimatesJson(evaluation.second->measures);
    json["differences"] = EstimatesJson(evaluation.differences);
  }
  return json;
}

absl::Status WriteReport(const ReportArguments& arguments) {
  // An hour of scoring must not end in a folder that is not there.
  absl::StatusOr<model::AtomicFile> file = model::AtomicFile::Create(arguments.out);
  if (!file.ok()) return absl::UnavailableError(file.status().message());
  const absl::StatusOr<ReportData> data = CollectReport(arguments.options);
  if (!data.ok()) return data.status();
  const std::string page = ReportPage(*data);
  if (absl::Status status = file->Append(std::as_bytes(std::span(page))); !status.ok())
    return status;
  if (absl::Status status = file->Commit(); !status.ok()) return status;
  std::cerr << "wrote " << arguments.out << ": " << FormatBytes(page.size()) << "\n";
  if (arguments.json) PrintJson(PageJson(arguments.out, page.size(), *data));
  return absl::OkStatus();
}

void AddReportOptions(CLI::App& command, ReportOptions& options) {
  command.add_option("model", options.model, "Weight file")->required()->type_name("M.fmw");
  command.add_option("--data", options.data, "Labelled rows")->required()->type_name("FILE");
  command.add_option("--compare", options.compare, "Another model, for the same rows")
      ->type_name("OTHER.fmw");
  command.add_option("--by", options.by, "Look at the most frequent values of this field")
      ->type_name("FIELD");
  command
      .add_option("--curves", options.curves,
                  "What fm train --json printed, if not the model is to tell")
      ->type_name("FILE");
  command
      .add_option("--rows", options.rows_limit,
                  "How many rows to look at; of more, so many are drawn evenly")
      ->check(CLI::Range(uint64_t{1000}, uint64_t{10'000'000}))
      ->capture_default_str();
  command.add_option("--seed", options.seed, "Seed of samples and resamples")
      ->capture_default_str();
  command
      .add_option("--schema", options.schema, "How the rows are laid out, if not as in training")
      ->type_name("S.yaml");
  command.add_option("--compare-schema", options.compare_schema, "The same for the other model")
      ->type_name("S.yaml")
      ->needs("--compare");
}

}  // namespace

void AddReport(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<ReportArguments>();
  CLI::App* command = app.add_subcommand(
      "report", "Write a page that shows how good a weight file is on labelled rows.");
  AddReportOptions(*command, arguments->options);
  command->add_option("--out", arguments->out, "Page to write")
      ->required()
      ->type_name("REPORT.html");
  command->add_flag("--json", arguments->json,
                    "Print the measures as one JSON object on standard output");
  command->footer("Example:\n  fm report ctr.fmw --data day3.tsv --by genre --out ctr.html");
  command->callback([arguments, &exit_code] {
    const absl::Status status = WriteReport(*arguments);
    exit_code = status.ok() ? kDone : Fail("report", status);
  });
}

}  // namespace fmserve::tools
