#include "tools/rewrite_command.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "loader/sha256.h"
#include "tools/format.h"
#include "tools/table_model.h"
#include "trainer/plain_scorer.h"
#include "trainer/table_scorer.h"

namespace fmserve::tools {
namespace {

constexpr uint64_t kBytesPerMib = uint64_t{1} << 20;
constexpr const char* kColumns[] = {"logloss", "calibration", "auc", "rmse"};

// `info`: of the model that `table` is the rows of. Its layout is that of the parent.
absl::StatusOr<Json> Measure(const RewriteArguments& arguments, const ParentFile& parent,
                             const trainer::RowTable& table, const model::WeightInfo& info) {
  if (arguments.data.empty()) return Json(nullptr);
  const absl::StatusOr<trainer::TrainingSchema> layout =
      ReadTableLayout(*parent.file, parent.path, arguments.schema);
  if (!layout.ok()) return layout.status();
  trainer::PlainScorer scorer(table, parent.file->schema(), info.quantization);
  const absl::StatusOr<trainer::Metrics> metrics =
      trainer::MeasureTable(scorer, info, arguments.data, *layout);
  if (!metrics.ok()) return metrics.status();
  return ToJson(*metrics);
}

absl::StatusOr<Json> DescribeParents(const RewriteArguments& arguments,
                                     const std::vector<ParentFile>& parents) {
  Json described = Json::array();
  for (const ParentFile& parent : parents) {
    const model::WeightInfo& info = parent.file->info();
    absl::StatusOr<Json> metrics = Measure(arguments, parent, trainer::FileRows(parent.file), info);
    if (!metrics.ok()) return metrics.status();
    described.push_back({{"path", parent.path},
                         {"rows", info.rows_count},
                         {"bytes", info.file_size},
                         {"metrics", *std::move(metrics)}});
  }
  return described;
}

std::string Metric(const Json& metrics, const char* name) {
  return metrics.is_null() || metrics[name].is_null()
             ? ""
             : absl::StrFormat("%.6f", metrics[name].get<double>());
}

std::vector<std::string> TableRow(const Json& model, const Json& path) {
  const Json& metrics = model["metrics"];
  std::vector<std::string> row = {path.get<std::string>(), model["rows"].dump(),
                                  FormatBytes(model["bytes"].get<uint64_t>())};
  if (metrics.is_null()) return row;
  for (const char* name : kColumns) row.push_back(Metric(metrics, name));
  return row;
}

}  // namespace

void AddRewriteOptions(CLI::App& command, RewriteArguments& arguments) {
  command.add_option("--out", arguments.out, "Weight file to write")
      ->required()
      ->type_name("N.fmw");
  command
      .add_option("--max-mib", arguments.max_mib,
                  "Write nothing if the file would be larger than so many MiB")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 30));
  command
      .add_option("--data", arguments.data,
                  "Labelled rows on which the models before and after are measured")
      ->type_name("FILE");
  command
      .add_option("--schema", arguments.schema,
                  "How these rows are laid out, if not as in training")
      ->type_name("S.yaml");
  command.add_flag("--no-names", arguments.no_names, "Leave out the values' names: a smaller file");
  command.add_flag("--json", arguments.json, "Print one JSON object on standard output");
}

absl::StatusOr<uint64_t> CheckWritten(const std::string& path) {
  const absl::StatusOr<std::shared_ptr<const model::WeightFile>> file =
      model::WeightFile::Open(path);
  absl::Status status = file.status();
  if (status.ok()) {
    const auto scorer = trainer::TableScorer::Create(*file);
    status = scorer.ok() ? trainer::CheckGoldens(**scorer).status() : scorer.status();
  }
  if (status.ok()) return (*file)->info().file_size;
  return absl::InternalError(absl::StrCat(
      path, " was written, but does not read as it should: ", std::string(status.message())));
}

absl::StatusOr<ParentFile> OpenParent(const std::string& path) {
  absl::StatusOr<std::shared_ptr<const model::WeightFile>> file = model::WeightFile::Open(path);
  if (!file.ok()) return file.status();
  return ParentFile{.path = path, .file = *std::move(file)};
}

std::string Sha256Of(const model::WeightFile& file) {
  loader::Sha256 hash;
  hash.Update(file.bytes());
  return hash.HexDigest();
}

trainer::Lineage MakeLineage(std::string operation, std::string options,
                             const std::vector<ParentFile>& parents) {
  trainer::Lineage lineage{
      .operation = std::move(operation), .options = std::move(options), .parents = {}};
  for (const ParentFile& parent : parents) {
    lineage.parents.push_back({.sha256 = Sha256Of(*parent.file), .info = parent.file->info()});
  }
  return lineage;
}

absl::StatusOr<Json> WriteRewritten(const RewriteArguments& arguments,
                                    const std::vector<ParentFile>& parents,
                                    const trainer::RowTable& table,
                                    model::WeightFileOptions options,
                                    std::vector<model::Golden> goldens, model::Metadata metadata) {
  options.created_unix_us = static_cast<uint64_t>(absl::ToUnixMicros(absl::Now()));
  options.with_names &= !arguments.no_names;
  if (arguments.max_mib > 0) options.max_file_bytes = arguments.max_mib * kBytesPerMib;
  absl::StatusOr<Json> described = DescribeParents(arguments, parents);
  if (!described.ok()) return described.status();
  model::WeightInfo info = parents.front().file->info();
  info.quantization = options.quantization;
  info.calibration = options.calibration;
  absl::StatusOr<Json> metrics = Measure(arguments, parents.front(), table, info);
  if (!metrics.ok()) return metrics.status();
  const absl::StatusOr<trainer::RewriteReport> written =
      trainer::Rewrite(table, options, std::move(goldens), std::move(metadata), arguments.out);
  if (!written.ok()) return written.status();
  const absl::StatusOr<uint64_t> bytes = CheckWritten(arguments.out);
  if (!bytes.ok()) return bytes.status();
  return Json{{"out", arguments.out},
              {"rows", written->rows},
              {"bytes", *bytes},
              {"goldens", written->goldens},
              {"max_golden_change", written->max_golden_change},
              {"parents", *std::move(described)},
              {"metrics", *std::move(metrics)}};
}

void PrintRewritten(const Json& report) {
  std::vector<std::vector<std::string>> rows = {{"file", "rows", "size"}};
  if (!report["metrics"].is_null()) {
    for (const char* name : kColumns) rows.front().emplace_back(name);
  }
  for (const Json& parent : report["parents"]) rows.push_back(TableRow(parent, parent["path"]));
  rows.push_back(TableRow(report, report["out"]));
  std::cout << FormatTable(rows)
            << absl::StrFormat(
                   "\n%d goldens computed anew; the largest change of a score is %.3g\n",
                   report["goldens"].get<uint64_t>(), report["max_golden_change"].get<double>());
}

}  // namespace fmserve::tools
