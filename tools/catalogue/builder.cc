#include "tools/catalogue/builder.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "model/catalogue_writer.h"
#include "model/feature_encoder.h"
#include "model/text.h"
#include "tools/side_table.h"
#include "tools/table_model.h"

namespace fmserve::tools {
namespace {

struct ItemLayout {
  trainer::TrainingSchema table;
  model::FeatureSchema features;  // of the weights, when there are any
  std::string model_name = "fm";
  model::Metadata metadata;
};

struct AttributeColumn {
  std::string name;
  bool list = true;
  bool weighted = false;  // values carry weights: "a:2.5|b"
};

bool IsItemSide(const model::Field& field) { return field.side == model::Side::kItem; }

absl::StatusOr<ItemLayout> LayoutOfSchema(const std::string& path) {
  ItemLayout layout;
  absl::StatusOr<trainer::TrainingSchema> schema = trainer::ReadSchemaYaml(path);
  if (!schema.ok()) return schema.status();
  layout.table = *std::move(schema);
  layout.features = layout.table.features;
  for (const size_t index : layout.table.fields_to_measure) {
    const model::Field& field = layout.features.field(index);
    if (!IsItemSide(field)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": field ", model::Quote(field.name),
                     " is standardised by what the training measured; name the weight file with "
                     "--weights"));
  }
  return layout;
}

absl::StatusOr<ItemLayout> LayoutOfWeights(const std::string& weights, const std::string& schema) {
  absl::StatusOr<TableModel> opened = OpenTableModel(weights, schema);
  if (!opened.ok()) return opened.status();
  ItemLayout layout;
  layout.table = std::move(opened->schema);
  layout.features = opened->file->schema();
  const model::WeightInfo& info = opened->file->info();
  layout.model_name = info.model_name;
  layout.metadata = {{"weights.file", std::filesystem::path(weights).filename().string()},
                     {"weights.version", absl::StrCat(info.version)}};
  return layout;
}

absl::StatusOr<ItemLayout> MakeLayout(const CatalogueBuild& build) {
  absl::StatusOr<ItemLayout> layout = build.weights.empty()
                                          ? LayoutOfSchema(build.schema)
                                          : LayoutOfWeights(build.weights, build.schema);
  if (!layout.ok()) return layout;
  const std::vector<model::Field>& fields = layout->features.fields();
  if (std::none_of(fields.begin(), fields.end(), IsItemSide)) {
    return absl::InvalidArgumentError(
        absl::StrCat(build.weights.empty() ? build.schema : build.weights,
                     ": no field is of the item side, so all items would score alike"));
  }
  if (!build.model.empty()) layout->model_name = build.model;
  return layout;
}

const model::Field* FieldOfColumn(const ItemLayout& layout, const std::string& column) {
  for (size_t i = 0; i < layout.table.columns.size(); ++i) {
    if (layout.table.columns[i] == column) return &layout.features.field(i);
  }
  return nullptr;
}

AttributeColumn MakeAttribute(const ItemLayout& layout, const std::string& column) {
  const model::Field* field = FieldOfColumn(layout, column);
  if (field == nullptr) return {.name = column};
  return {.name = column,
          .list = field->kind == model::FieldKind::kMultiValued,
          .weighted = field->weighted};
}

model::IdType ChooseIdType(const CatalogueBuild& build, const ItemLayout& layout) {
  if (build.id_type) return *build.id_type;
  const model::Field* field = FieldOfColumn(layout, build.id);
  const bool integer = field != nullptr && field->kind == model::FieldKind::kCategorical &&
                       field->value_type == model::ValueType::kInteger;
  return integer ? model::IdType::kInteger : model::IdType::kString;
}

// Rows -> items of a writer.
class ItemRows {
 public:
  ItemRows(const CatalogueBuild& build, const ItemLayout& layout, model::CatalogueWriter& writer)
      : build_(build),
        id_type_(ChooseIdType(build, layout)),
        writer_(writer),
        encoder_(layout.features, &features_),
        values_(build.attributes.size()) {
    for (const std::string& column : build.attributes)
      attributes_.push_back(MakeAttribute(layout, column));
  }

  // What it reads beside the fields: id, attributes, bid.
  std::vector<TableColumn> columns() const {
    std::vector<TableColumn> columns = {{.name = build_.id}};
    for (const AttributeColumn& attribute : attributes_)
      columns.push_back({.name = attribute.name, .list = attribute.list});
    if (!build_.bid.empty()) columns.push_back({.name = build_.bid});
    return columns;
  }

  absl::Status Add(const SideTable& row);

 private:
  absl::Status ReadId(const SideTable& row, model::CatalogueItem& item);
  void ReadAttributes(const SideTable& row);
  absl::StatusOr<float> ReadBid(std::string_view cell) const;

  const CatalogueBuild& build_;
  model::IdType id_type_;
  model::CatalogueWriter& writer_;
  model::FeatureList features_;
  model::FeatureEncoder encoder_;
  std::vector<AttributeColumn> attributes_;
  std::vector<std::vector<std::string_view>> values_;
  absl::flat_hash_map<std::string, uint64_t> seen_;  // id -> line
};

absl::Status ItemRows::ReadId(const SideTable& row, model::CatalogueItem& item) {
  const std::string_view cell = row.column(0);
  std::string id(cell);
  if (id_type_ == model::IdType::kInteger) {
    const char* end = cell.data() + cell.size();
    const auto [parsed, error] = std::from_chars(cell.data(), end, item.id);
    if (error != std::errc() || parsed != end) {
      return absl::InvalidArgumentError(
          absl::StrCat("the id ", model::Quote(cell),
                       " is not a whole number from 0 to 18446744073709551615; with --id-type "
                       "string ids may be any text"));
    }
    id = absl::StrCat(item.id);
  } else if (cell.find_first_of("\t\r\n") != std::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("the id ", model::Quote(cell), " contains a tab or a line break"));
  }
  item.text_id = cell;
  const auto [first, is_new] = seen_.try_emplace(std::move(id), row.line());
  if (is_new) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the id ", model::Quote(cell), " stands in line ", first->second, " already"));
}

void ItemRows::ReadAttributes(const SideTable& row) {
  for (size_t a = 0; a < attributes_.size(); ++a) {
    const AttributeColumn& attribute = attributes_[a];
    std::string_view rest = row.column(1 + a);
    values_[a].clear();
    while (!rest.empty()) {
      std::string_view value = rest;
      if (attribute.list) {
        value = model::TakeUntil('|', rest);
      } else {
        rest = {};
      }
      if (attribute.weighted) value = value.substr(0, value.rfind(':'));
      if (!value.empty()) values_[a].push_back(value);
    }
  }
}

absl::StatusOr<float> ItemRows::ReadBid(std::string_view cell) const {
  const auto bid = static_cast<float>(model::ParseNumber(cell).value_or(std::nan("")));
  if (std::isfinite(bid) && bid >= 0.0F) return bid;
  return absl::InvalidArgumentError(absl::StrCat("column ", model::Quote(build_.bid), ": the bid ",
                                                 model::Quote(cell),
                                                 " is not a finite number of at least 0"));
}

absl::Status ItemRows::Add(const SideTable& row) {
  model::CatalogueItem item;
  if (absl::Status status = ReadId(row, item); !status.ok()) return status;
  features_.Clear();
  if (absl::Status status = encoder_.AddRow(model::Side::kItem, row.cells()); !status.ok())
    return status;
  item.features = features_.view();
  ReadAttributes(row);
  item.values = values_;
  if (!build_.bid.empty()) {
    const absl::StatusOr<float> bid = ReadBid(row.column(1 + attributes_.size()));
    if (!bid.ok()) return bid.status();
    item.bid = *bid;
  }
  return writer_.Add(item);
}

model::CatalogueOptions WriterOptions(const CatalogueBuild& build, const ItemLayout& layout) {
  model::CatalogueOptions options;
  options.model_name = layout.model_name;
  options.created_unix_us = static_cast<uint64_t>(absl::ToUnixMicros(absl::Now()));
  options.schema = layout.features;
  options.id_type = ChooseIdType(build, layout);
  options.attributes = build.attributes;
  options.with_bids = !build.bid.empty();
  options.metadata = {{"data.items.file", std::filesystem::path(build.data).filename().string()},
                      {"option.id", build.id},
                      {"option.attributes", absl::StrJoin(build.attributes, ",")}};
  if (!build.bid.empty()) options.metadata.emplace_back("option.bid", build.bid);
  options.metadata.insert(options.metadata.end(), layout.metadata.begin(), layout.metadata.end());
  return options;
}

}  // namespace

absl::Status BuildCatalogue(const CatalogueBuild& build,
                            const std::function<void(uint64_t rows)>& progress) {
  const absl::StatusOr<ItemLayout> layout = MakeLayout(build);
  if (!layout.ok()) return layout.status();
  model::CatalogueWriter writer(WriterOptions(build, *layout));
  ItemRows items(build, *layout, writer);
  const auto table =
      SideTable::Open(build.data, layout->table, model::Side::kItem, items.columns());
  if (!table.ok()) return table.status();
  for (uint64_t rows = 0;; ++rows) {
    const absl::StatusOr<bool> more = (*table)->Next();
    if (!more.ok()) return more.status();
    if (!*more) break;
    if (absl::Status status = items.Add(**table); !status.ok()) return (*table)->Here(status);
    progress(rows + 1);
  }
  return writer.Finish(build.out);
}

}  // namespace fmserve::tools
