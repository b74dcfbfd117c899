// fm catalogue inspect: what a catalogue says of itself, or of one item.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <iostream>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "model/catalogue_file.h"
#include "model/text.h"
#include "tools/catalogue_command.h"
#include "tools/exit_codes.h"
#include "tools/format.h"
#include "tools/json_output.h"

namespace fmserve::tools {
namespace {

struct CatalogueInspectArguments {
  std::string path;
  std::string item;
  size_t top = 5;
  bool json = false;
};

// The most frequent values, the more frequent first, equal ones by name.
Json FrequentValues(const model::Attribute& attribute, size_t top) {
  std::vector<uint64_t> items(attribute.values.size());
  for (const uint32_t value : attribute.entries) ++items[value];
  std::vector<uint32_t> order(items.size());
  std::iota(order.begin(), order.end(), 0U);
  const size_t shown = std::min(top, order.size());
  std::partial_sort(
      order.begin(), order.begin() + static_cast<ptrdiff_t>(shown), order.end(),
      [&](uint32_t a, uint32_t b) { return items[a] != items[b] ? items[a] > items[b] : a < b; });
  Json values = Json::array();
  for (size_t i = 0; i < shown; ++i) {
    values.push_back(
        {{"value", std::string(attribute.values[order[i]])}, {"items", items[order[i]]}});
  }
  return values;
}

Json AttributeJson(const model::Attribute& attribute, size_t top) {
  uint64_t without = 0;
  for (uint32_t item = 0; item < attribute.ends.size(); ++item)
    without += attribute.of(item).empty() ? 1 : 0;
  return {{"name", std::string(attribute.name)},
          {"values", attribute.values.size()},
          {"entries", attribute.entries.size()},
          {"items_without", without},
          {"most_frequent", FrequentValues(attribute, top)}};
}

Json BidsJson(std::span<const float> bids) {
  if (bids.empty()) return nullptr;
  const auto [min, max] = std::minmax_element(bids.begin(), bids.end());
  const double sum = std::accumulate(bids.begin(), bids.end(), 0.0);
  return {{"min", *min}, {"mean", sum / static_cast<double>(bids.size())}, {"max", *max}};
}

Json DescribeCatalogue(const model::CatalogueFile& file, size_t top) {
  const model::CatalogueInfo& info = file.info();
  const absl::Time created = absl::FromUnixMicros(static_cast<int64_t>(info.created_unix_us));
  Json json = {{"format", absl::StrCat(info.format_major, ".", info.format_minor)},
               {"model", info.model_name},
               {"version", info.version},
               {"created", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", created, absl::UTCTimeZone())},
               {"bytes", info.file_size},
               {"ids", file.ids().type() == model::IdType::kString ? "string" : "integer"},
               {"items", info.items_count},
               {"features", info.features_count},
               {"bids", BidsJson(file.bids())},
               {"fields", Json::array()},
               {"attributes", Json::array()},
               {"metadata", Json::object()}};
  for (const model::Field& field : file.schema().fields()) {
    if (field.side != model::Side::kItem) continue;
    json["fields"].push_back({{"name", field.name}, {"kind", model::Name(field.kind)}});
  }
  for (const model::Attribute& attribute : file.attributes())
    json["attributes"].push_back(AttributeJson(attribute, top));
  for (const auto& [name, value] : file.metadata()) json["metadata"][name] = value;
  return json;
}

std::optional<uint32_t> FindItem(const model::CatalogueFile& file, std::string_view id) {
  if (file.ids().type() == model::IdType::kString) return file.ids().Find(id);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (error != std::errc() || end != id.data() + id.size()) return std::nullopt;
  return file.ids().Find(number);
}

Json ItemJson(const model::CatalogueFile& file, uint32_t item) {
  Json json = Json::object();
  if (file.ids().type() == model::IdType::kString) {
    json["id"] = std::string(file.ids().text(item));
  } else {
    json["id"] = file.ids().integer(item);
  }
  json["features"] = Json::array();
  const model::FeatureSpan features = file.features(item);
  for (size_t i = 0; i < features.size(); ++i) {
    json["features"].push_back(
        {{"field", file.schema().field(features.fields[i]).name},
         {"key", absl::StrCat("0x", absl::Hex(features.keys[i], absl::kZeroPad16))},
         {"x", features.xs[i]}});
  }
  json["attributes"] = Json::object();
  for (const model::Attribute& attribute : file.attributes()) {
    Json& values = json["attributes"][std::string(attribute.name)] = Json::array();
    for (const uint32_t value : attribute.of(item))
      values.push_back(std::string(attribute.values[value]));
  }
  if (!file.bids().empty()) json["bid"] = file.bids()[item];
  return json;
}

std::string CellText(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void PrintCatalogue(const Json& json) {
  std::vector<std::vector<std::string>> header = {{"header", ""}};
  for (const auto& [key, value] : json.items()) {
    if (value.is_primitive() && !value.is_null()) header.push_back({key, CellText(value)});
  }
  if (json["bids"].is_object()) {
    for (const auto& [key, value] : json["bids"].items())
      header.push_back({"bids, " + key, absl::StrFormat("%g", value.get<double>())});
  }
  std::vector<std::vector<std::string>> fields = {{"field", "kind"}};
  for (const Json& field : json["fields"])
    fields.push_back({CellText(field["name"]), CellText(field["kind"])});
  std::vector<std::vector<std::string>> attributes = {
      {"attribute", "values", "entries", "items without", "most frequent"}};
  for (const Json& attribute : json["attributes"]) {
    std::vector<std::string> frequent;
    for (const Json& value : attribute["most_frequent"])
      frequent.push_back(absl::StrCat(CellText(value["value"]), " ", CellText(value["items"])));
    attributes.push_back({CellText(attribute["name"]), CellText(attribute["values"]),
                          CellText(attribute["entries"]), CellText(attribute["items_without"]),
                          absl::StrJoin(frequent, ", ")});
  }
  std::vector<std::vector<std::string>> metadata = {{"metadata", "value"}};
  for (const auto& [key, value] : json["metadata"].items())
    metadata.push_back({key, CellText(value)});
  std::cout << FormatTable(header) << "\n"
            << FormatTable(fields) << "\n"
            << FormatTable(attributes) << "\n"
            << FormatTable(metadata);
}

void PrintItem(const Json& json) {
  std::cout << "item " << CellText(json["id"]);
  if (json.contains("bid")) std::cout << ", bid " << json["bid"].dump();
  std::vector<std::vector<std::string>> features = {{"feature of", "key", "x"}};
  for (const Json& feature : json["features"]) {
    features.push_back({CellText(feature["field"]), CellText(feature["key"]),
                        absl::StrFormat("%g", feature["x"].get<double>())});
  }
  std::vector<std::vector<std::string>> attributes = {{"attribute", "values"}};
  for (const auto& [name, values] : json["attributes"].items()) {
    attributes.push_back(
        {name, absl::StrJoin(values, ", ", [](std::string* out, const Json& value) {
           absl::StrAppend(out, CellText(value));
         })});
  }
  std::cout << "\n\n" << FormatTable(features) << "\n" << FormatTable(attributes);
}

void Show(const Json& json, bool as_json, void (*print_text)(const Json&)) {
  if (as_json) {
    PrintJson(json);
  } else {
    print_text(json);
  }
}

int RunCatalogueInspect(const CatalogueInspectArguments& arguments) {
  const auto file = model::CatalogueFile::Open(arguments.path);
  if (!file.ok()) return Fail("catalogue inspect", file.status());
  if (arguments.item.empty()) {
    Show(DescribeCatalogue(**file, arguments.top), arguments.json, PrintCatalogue);
    return kDone;
  }
  const std::optional<uint32_t> item = FindItem(**file, arguments.item);
  if (!item) {
    return Fail("catalogue inspect",
                absl::NotFoundError(absl::StrCat(arguments.path, " has no item with the id ",
                                                 model::Quote(arguments.item))));
  }
  Show(ItemJson(**file, *item), arguments.json, PrintItem);
  return kDone;
}

}  // namespace

void AddCatalogueInspect(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<CatalogueInspectArguments>();
  CLI::App* command = app.add_subcommand(
      "inspect", "Check that a catalogue is whole, and show what it says of itself.");
  command->add_option("catalogue", arguments->path, "Catalogue")->required()->type_name("C.fmc");
  command->add_option("--item", arguments->item, "Show the item with this id instead")
      ->type_name("ID");
  command->add_option("--top", arguments->top, "How many values of each attribute to show")
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "Print one JSON object on standard output");
  command->footer("Example:\n  fm catalogue inspect ads.fmc --item ad17 --json | jq .attributes");
  command->callback([arguments, &exit_code] { exit_code = RunCatalogueInspect(*arguments); });
}

}  // namespace fmserve::tools
