// fm inspect: what a weight file says of itself.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "model/file_header.h"
#include "model/weight_file.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/format.h"
#include "tools/json_output.h"

namespace fmserve::tools {
namespace {

std::string CreatedText(const model::WeightInfo& info) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ",
                          absl::FromUnixMicros(static_cast<int64_t>(info.created_unix_us)),
                          absl::UTCTimeZone());
}

// As `fm train --kind` has it.
const char* KindOf(const model::WeightFile& file) { return file.field_matrix() ? "fwfm" : "fm"; }

Json HeaderJson(const model::WeightInfo& info, const char* kind) {
  return {{"format", absl::StrCat(info.format_major, ".", info.format_minor)},
          {"model", info.model_name},
          {"version", info.version},
          {"created", CreatedText(info)},
          {"bytes", info.file_size},
          {"kind", kind},
          {"task", model::Name(info.task)},
          {"k", info.k},
          {"rows", info.rows_count},
          {"slots", info.slots_count},
          {"quantization", model::Name(info.quantization)},
          {"link", model::Name(info.link)},
          {"calibration",
           {{"kind", model::Name(info.calibration.kind)},
            {"scale", info.calibration.scale},
            {"offset", info.calibration.offset}}},
          {"w0", info.w0}};
}

Json FieldJson(const model::Field& field) {
  Json json = {
      {"name", field.name}, {"kind", model::Name(field.kind)}, {"side", model::Name(field.side)}};
  switch (field.kind) {
    case model::FieldKind::kMultiValued:
      json["combiner"] = model::Name(field.combiner);
      json["weighted"] = field.weighted;
      [[fallthrough]];
    case model::FieldKind::kCategorical:
      json["type"] = model::Name(field.value_type);
      json["min_count"] = field.min_count;
      break;
    case model::FieldKind::kNumeric:
      json["transform"] = model::Name(field.transform);
      if (field.transform == model::Transform::kStandardise) {
        json["mean"] = field.mean;
        json["stddev"] = field.stddev;
      }
      if (field.transform == model::Transform::kBoundaries) json["boundaries"] = field.boundaries;
      break;
    case model::FieldKind::kDenseVector:
      json["dimension"] = field.dimension;
      break;
  }
  return json;
}

// Scales, the factors of each field, and the pairs of fields by the size of their weight.
Json MatrixJson(const model::WeightFile& file) {
  const model::FieldMatrix& matrix = *file.field_matrix();
  const model::FeatureSchema& schema = file.schema();
  Json factors = Json::object();
  std::vector<Json> pairs;
  for (size_t field = 0; field < schema.size(); ++field) {
    const std::span<const float> of_field = matrix.factors_of(field);
    factors[schema.field(field).name] = std::vector<float>(of_field.begin(), of_field.end());
    for (size_t other = field; other < schema.size(); ++other) {
      pairs.push_back({{"fields", {schema.field(field).name, schema.field(other).name}},
                       {"weight", matrix.Weight(field, other)}});
    }
  }
  std::ranges::stable_sort(pairs, [](const Json& a, const Json& b) {
    return std::abs(a["weight"].get<double>()) > std::abs(b["weight"].get<double>());
  });
  return {{"rank", matrix.rank}, {"e", matrix.scales}, {"u", factors}, {"pairs", pairs}};
}

Json Describe(const model::WeightFile& file) {
  Json json = HeaderJson(file.info(), KindOf(file));
  json["goldens"] = file.goldens().size();
  json["sections"] = Json::array();
  for (const model::SectionInfo& section : file.sections()) {
    json["sections"].push_back({{"type", section.type},
                                {"name", model::SectionName(section.type)},
                                {"required", section.required},
                                {"offset", section.offset},
                                {"bytes", section.size}});
  }
  json["fields"] = Json::array();
  for (size_t i = 0; i < file.schema().size(); ++i)
    json["fields"].push_back(FieldJson(file.schema().field(i)));
  if (file.field_matrix()) json["field_matrix"] = MatrixJson(file);
  json["metadata"] = Json::object();
  for (const auto& [name, value] : file.metadata()) json["metadata"][name] = value;
  return json;
}

std::string Plain(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// What distinguishes a field, on one line: "min_count 2, combiner mean".
std::string Settings(const Json& field) {
  std::vector<std::string> settings;
  for (const auto& [key, value] : field.items()) {
    if (key != "name" && key != "kind" && key != "side")
      settings.push_back(absl::StrCat(key, " ", Plain(value)));
  }
  return absl::StrJoin(settings, ", ");
}

// The pairs of fields that weigh most.
std::string MatrixText(const Json& matrix) {
  constexpr size_t kMostPairs = 10;
  std::vector<std::vector<std::string>> rows = {
      {absl::StrCat("field matrix of rank ", Plain(matrix["rank"])), "weight"}};
  for (const Json& pair : matrix["pairs"]) {
    if (rows.size() > kMostPairs) break;
    rows.push_back({absl::StrCat(Plain(pair["fields"][0]), " × ", Plain(pair["fields"][1])),
                    absl::StrFormat("%+.4f", pair["weight"].get<double>())});
  }
  return FormatTable(rows);
}

void PrintText(const Json& json) {
  std::vector<std::vector<std::string>> header = {{"header", ""}};
  for (const auto& [key, value] : json.items()) {
    if (value.is_primitive()) header.push_back({key, Plain(value)});
  }
  header.push_back({"calibration", Plain(json["calibration"]["kind"])});
  std::vector<std::vector<std::string>> sections = {{"section", "offset", "bytes", ""}};
  for (const Json& section : json["sections"]) {
    sections.push_back({Plain(section["name"]), Plain(section["offset"]), Plain(section["bytes"]),
                        section["required"] == true ? "required" : "optional"});
  }
  std::vector<std::vector<std::string>> fields = {{"field", "kind", "side", "settings"}};
  for (const Json& field : json["fields"]) {
    fields.push_back(
        {Plain(field["name"]), Plain(field["kind"]), Plain(field["side"]), Settings(field)});
  }
  std::vector<std::vector<std::string>> metadata = {{"metadata", "value"}};
  for (const auto& [key, value] : json["metadata"].items()) {
    const std::string text = Plain(value);
    const bool one_line = text.find('\n') == std::string::npos;
    metadata.push_back(
        {key, one_line ? text : absl::StrCat("(", text.size(), " bytes; --json shows them)")});
  }
  std::cout << FormatTable(header) << "\n"
            << FormatTable(sections) << "\n"
            << FormatTable(fields) << "\n";
  if (json.contains("field_matrix")) std::cout << MatrixText(json["field_matrix"]) << "\n";
  std::cout << FormatTable(metadata);
}

int RunInspect(const std::string& path, bool json) {
  const absl::StatusOr<std::shared_ptr<const model::WeightFile>> file =
      model::WeightFile::Open(path);
  if (!file.ok()) return Fail("inspect", file.status());
  if (json) {
    PrintJson(Describe(**file));
  } else {
    PrintText(Describe(**file));
  }
  return kDone;
}

}  // namespace

void AddInspect(CLI::App& app, int& exit_code) {
  auto path = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("inspect", "Show what a weight file says of itself.");
  command->add_option("model", *path, "Weight file")->required()->type_name("M.fmw");
  command->add_flag("--json", *json, "Print one JSON object on standard output");
  command->footer("Example:\n  fm inspect ctr.fmw --json | jq .metadata");
  command->callback([path, json, &exit_code] { exit_code = RunInspect(*path, *json); });
}

}  // namespace fmserve::tools
