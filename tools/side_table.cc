#include "tools/side_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fmserve::tools {

size_t SideTable::AddColumn(const std::string& name, bool list) {
  const auto found = std::find(read_.columns.begin(), read_.columns.end(), name);
  if (found != read_.columns.end()) return static_cast<size_t>(found - read_.columns.begin());
  read_.columns.push_back(name);
  lists_.push_back(list);
  return read_.columns.size() - 1;
}

absl::Status SideTable::OpenReader(const std::string& path, const trainer::TrainingSchema& layout) {
  read_.format = layout.format;
  read_.separator = layout.separator;
  read_.list_separator = layout.list_separator;
  const auto format = read_.format ? read_.format : trainer::FormatOfPath(path);
  if (format == trainer::TableFormat::kLibsvm || format == trainer::TableFormat::kLibffm) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", std::string(trainer::Name(*format)),
                     " files have no columns; a tsv or csv file is needed"));
  }
  // The reader only has to know which columns are lists.
  std::vector<model::Field> fields(read_.columns.size());
  for (size_t i = 0; i < fields.size(); ++i) {
    fields[i].name = absl::StrCat(i);
    if (lists_[i]) fields[i].kind = model::FieldKind::kMultiValued;
  }
  absl::StatusOr<model::FeatureSchema> schema = model::FeatureSchema::Create(std::move(fields));
  if (!schema.ok()) return schema.status();
  read_.features = *std::move(schema);
  auto reader = trainer::RowReader::Open(path, read_, trainer::Labels::kOptional);
  if (!reader.ok()) return reader.status();
  reader_ = *std::move(reader);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<SideTable>> SideTable::Open(
    const std::string& path, const trainer::TrainingSchema& layout, model::Side side,
    const std::vector<TableColumn>& columns) {
  std::unique_ptr<SideTable> table(new SideTable);
  table->cells_.resize(layout.features.size());
  for (size_t i = 0; i < layout.columns.size(); ++i) {
    const model::Field& field = layout.features.field(i);
    if (field.side != side) continue;
    const bool list = field.kind == model::FieldKind::kMultiValued ||
                      field.kind == model::FieldKind::kDenseVector;
    table->fields_.push_back(i);
    table->field_cells_.push_back(table->AddColumn(layout.columns[i], list));
  }
  for (const TableColumn& column : columns)
    table->column_cells_.push_back(table->AddColumn(column.name, column.list));
  if (absl::Status status = table->OpenReader(path, layout); !status.ok()) return status;
  return table;
}

absl::StatusOr<bool> SideTable::Next() {
  const absl::StatusOr<bool> more = reader_->Next(&row_);
  if (!more.ok() || !*more) return more;
  for (size_t i = 0; i < fields_.size(); ++i) cells_[fields_[i]] = row_.cells[field_cells_[i]];
  return true;
}

absl::Status SideTable::Here(const absl::Status& status) const {
  return absl::Status(status.code(), absl::StrCat(Where(), ": ", std::string(status.message())));
}

}  // namespace fmserve::tools
