// fm prune: the same model without the features that do little or are of things that are gone.
#include "trainer/prune.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/format.h"
#include "tools/rewrite_command.h"

namespace fmserve::tools {
namespace {

struct PruneArguments {
  std::string model;
  uint64_t min_count = 0;
  double min_norm = 0.0;
  std::string keep;
  RewriteArguments rewrite;
};

std::string AsTyped(const PruneArguments& arguments) {
  std::vector<std::string> options;
  if (arguments.min_count > 0) options.push_back(absl::StrCat("--min-count ", arguments.min_count));
  if (arguments.min_norm > 0.0) options.push_back(absl::StrCat("--min-norm ", arguments.min_norm));
  if (!arguments.keep.empty()) options.push_back(absl::StrCat("--keep ", arguments.keep));
  return absl::StrJoin(options, " ");
}

// {field: {"kept", "dropped", "under_count", "under_norm", "not_in_list"}}
Json FieldsJson(const model::FeatureSchema& schema,
                const std::vector<trainer::PrunedField>& fields) {
  Json json = Json::object();
  for (size_t i = 0; i < fields.size(); ++i) {
    const trainer::PrunedField& field = fields[i];
    json[schema.field(i).name] = {
        {"kept", field.kept},
        {"dropped", field.under_count + field.under_norm + field.not_in_list},
        {"under_count", field.under_count},
        {"under_norm", field.under_norm},
        {"not_in_list", field.not_in_list}};
  }
  return json;
}

// The numbers of parameters that `fm train` left there.
void CorrectParameters(const model::FeatureSchema& schema,
                       const std::vector<trainer::PrunedField>& fields, model::Metadata& metadata) {
  for (auto& [name, value] : metadata) {
    for (size_t i = 0; i < fields.size(); ++i) {
      if (name == absl::StrCat("field.", schema.field(i).name, ".parameters"))
        value = absl::StrCat(fields[i].kept);
    }
  }
}

absl::StatusOr<Json> Prune(const PruneArguments& arguments) {
  absl::StatusOr<ParentFile> parent = OpenParent(arguments.model);
  if (!parent.ok()) return parent.status();
  const model::WeightFile& file = *parent->file;
  trainer::PruneOptions options{.min_count = arguments.min_count, .min_norm = arguments.min_norm};
  if (!arguments.keep.empty()) {
    absl::StatusOr<trainer::KeepList> keep = trainer::ReadKeepList(arguments.keep, file.schema());
    if (!keep.ok()) return keep.status();
    options.keep = *std::move(keep);
  }
  const absl::StatusOr<std::unique_ptr<trainer::PrunedRows>> rows =
      trainer::PrunedRows::Create(parent->file, std::move(options));
  if (!rows.ok()) {
    return absl::Status(rows.status().code(),
                        absl::StrCat(arguments.model, ": ", rows.status().message()));
  }
  const std::vector<trainer::PrunedField> fields = (*rows)->CountByField();
  model::Metadata metadata =
      trainer::Inherit(file.metadata(), MakeLineage("prune", AsTyped(arguments), {*parent}));
  CorrectParameters(file.schema(), fields, metadata);
  absl::StatusOr<Json> report =
      WriteRewritten(arguments.rewrite, {*parent}, **rows, trainer::InheritOptions(file),
                     file.goldens(), std::move(metadata));
  if (report.ok()) (*report)["fields"] = FieldsJson(file.schema(), fields);
  return report;
}

void PrintPruned(const Json& report) {
  std::vector<std::vector<std::string>> rows = {
      {"field", "kept", "dropped", "under count", "under norm", "not in list"}};
  for (const auto& [name, field] : report["fields"].items()) {
    rows.push_back({name});
    for (const char* column : {"kept", "dropped", "under_count", "under_norm", "not_in_list"})
      rows.back().push_back(field[column].dump());
  }
  std::cout << FormatTable(rows) << "\n";
  PrintRewritten(report);
}

int RunPrune(const PruneArguments& arguments) {
  const absl::StatusOr<Json> report = Prune(arguments);
  if (!report.ok()) return Fail("prune", report.status());
  if (arguments.rewrite.json) {
    PrintJson(*report);
  } else {
    PrintPruned(*report);
  }
  return kDone;
}

}  // namespace

void AddPrune(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<PruneArguments>();
  CLI::App* command = app.add_subcommand(
      "prune", "Drop features from a weight file, and say what was dropped and what it costs.");
  command->add_option("model", arguments->model, "Weight file")->required()->type_name("M.fmw");
  CLI::Option_group* what = command->add_option_group("What to drop", "At least one of these");
  what->add_option("--min-count", arguments->min_count, "Values that fewer training rows had")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 32));
  what->add_option("--min-norm", arguments->min_norm,
                   "Values whose w and factors are nearer to what takes their place: their field's "
                   "rare row, or 0")
      ->check(CLI::Range(1e-30, 1e30));
  what->add_option("--keep", arguments->keep,
                   "Values that this list of field<TAB>value lacks, in the fields that it names")
      ->type_name("IDS.tsv");
  what->require_option(1, 3);
  AddRewriteOptions(*command, arguments->rewrite);
  command->footer(
      "Example:\n  fm prune ctr.fmw --min-count 5 --keep live_ads.tsv --out live.fmw --data "
      "day3.tsv");
  command->callback([arguments, &exit_code] { exit_code = RunPrune(*arguments); });
}

}  // namespace fmserve::tools
