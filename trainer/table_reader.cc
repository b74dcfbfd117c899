#include "trainer/table_reader.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/text.h"
#include "trainer/split.h"

namespace fmserve::trainer {
namespace {

using model::FieldKind;

constexpr char kListSeparator = '|';  // of FeatureEncoder::AddText

std::string_view View(std::span<const char> text) { return {text.data(), text.size()}; }

class TableReader : public RowReader {
 public:
  TableReader(TableFormat format, LineReader lines, const TrainingSchema& schema, Labels labels)
      : schema_(schema),
        labels_(labels),
        quoted_(format == TableFormat::kCsv),
        separator_(schema.separator.value_or(format == TableFormat::kCsv ? ',' : '\t')),
        lines_(std::move(lines)),
        cells_(schema.features.size()) {}

  absl::Status ReadHeader();
  absl::StatusOr<bool> Next(Row* row) override;
  std::string Where() const override { return lines_.Where(); }

 private:
  absl::StatusOr<bool> ReadRecord();
  absl::Status FindColumns();
  absl::Status ReadLabel(Row* row) const;
  absl::Status ReadWeight(Row* row) const;
  absl::Status TranslateLists();
  absl::Status Error(const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat(Where(), ": ", what));
  }
  absl::Status ErrorInColumn(size_t column, const std::string& what) const {
    return Error(
        absl::StrCat("column ", column + 1, " ", model::Quote(header_[column]), ": ", what));
  }

  const TrainingSchema& schema_;
  const Labels labels_;
  bool quoted_;
  char separator_;
  LineReader lines_;
  std::vector<std::string> header_;
  std::vector<size_t> columns_;          // of each field, in header_
  std::optional<size_t> label_column_;   // in header_
  std::optional<size_t> weight_column_;  // in header_; only read where labels are required
  std::vector<std::span<char>> record_;  // the current line, cell by cell
  std::vector<std::string_view> cells_;  // one per field
};

// Splits the next line that is not empty into record_; false at the end.
absl::StatusOr<bool> TableReader::ReadRecord() {
  std::span<char> line;
  do {
    const absl::StatusOr<bool> more = lines_.Next(&line);
    if (!more.ok() || !*more) return more;
    if (lines_.line_number() == 1 && View(line).starts_with(kByteOrderMark)) {
      line = line.subspan(kByteOrderMark.size());
    }
  } while (line.empty());
  if (!quoted_) {
    SplitPlain(line, separator_, &record_);
    return true;
  }
  bool open = QuoteIsOpen(line);
  while (open) {
    const size_t known = line.size();
    const absl::StatusOr<bool> more = lines_.Extend(&line);
    if (!more.ok()) return more;
    if (!*more) break;
    open = !QuoteIsOpen(line.subspan(known));
  }
  const absl::Status status = SplitQuoted(line, separator_, &record_);
  if (!status.ok()) return Error(std::string(status.message()));
  return true;
}

absl::Status TableReader::ReadHeader() {
  const absl::StatusOr<bool> found = ReadRecord();
  if (!found.ok()) return found.status();
  if (!*found) return Error("the file is empty; the first line names the columns");
  for (std::span<char> cell : record_) header_.emplace_back(View(cell));
  return FindColumns();
}

absl::Status TableReader::FindColumns() {
  std::vector<std::string> names = schema_.columns;
  const std::string& label = schema_.label_column;
  const bool has_label = !label.empty() && absl::c_linear_search(header_, label);
  if (labels_ == Labels::kRequired && label.empty()) {
    return Error("labels are needed, but the schema names no label column");
  }
  if (labels_ == Labels::kRequired || has_label) names.push_back(label);
  const bool weighted = labels_ == Labels::kRequired && !schema_.weight_column.empty();
  if (weighted) names.push_back(schema_.weight_column);
  std::vector<std::string> missing;
  for (const std::string& name : names) {
    const auto found = absl::c_find(header_, name);
    if (found == header_.end()) missing.push_back(model::Quote(name));
    if (absl::c_count(header_, name) > 1) {
      return Error(absl::StrCat("the header has column ", model::Quote(name), " more than once"));
    }
    columns_.push_back(static_cast<size_t>(found - header_.begin()));
  }
  if (!missing.empty()) {
    return Error(absl::StrCat("the header has no column ", absl::StrJoin(missing, ", ")));
  }
  if (weighted) {
    weight_column_ = columns_.back();
    columns_.pop_back();
  }
  if (has_label) {
    label_column_ = columns_.back();
    columns_.pop_back();
  }
  return absl::OkStatus();
}

absl::Status TableReader::ReadLabel(Row* row) const {
  row->label.reset();
  if (!label_column_.has_value()) return absl::OkStatus();
  if (labels_ == Labels::kOptional && record_[*label_column_].empty()) return absl::OkStatus();
  const absl::StatusOr<float> label = ParseLabel(schema_.task, View(record_[*label_column_]));
  if (!label.ok()) return ErrorInColumn(*label_column_, std::string(label.status().message()));
  row->label = *label;
  return absl::OkStatus();
}

absl::Status TableReader::ReadWeight(Row* row) const {
  if (!weight_column_.has_value()) return absl::OkStatus();
  const absl::StatusOr<float> weight = ParseWeight(View(record_[*weight_column_]));
  if (!weight.ok()) return ErrorInColumn(*weight_column_, std::string(weight.status().message()));
  row->weight = *weight;
  return absl::OkStatus();
}

// The lists of the table -> those that FeatureEncoder::AddText reads.
absl::Status TableReader::TranslateLists() {
  for (size_t i = 0; i < columns_.size(); ++i) {
    const FieldKind kind = schema_.features.field(i).kind;
    if (kind != FieldKind::kMultiValued && kind != FieldKind::kDenseVector) continue;
    const std::span<char> cell = record_[columns_[i]];
    if (std::find(cell.begin(), cell.end(), kListSeparator) != cell.end()) {
      return ErrorInColumn(columns_[i], "a value contains '|', which values of lists must not");
    }
    std::replace(cell.begin(), cell.end(), schema_.list_separator, kListSeparator);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> TableReader::Next(Row* row) {
  const absl::StatusOr<bool> found = ReadRecord();
  if (!found.ok() || !*found) return found;
  if (record_.size() != header_.size()) {
    return Error(
        absl::StrCat("the line has ", record_.size(), " columns, the header has ", header_.size()));
  }
  if (absl::Status status = ReadLabel(row); !status.ok()) return status;
  if (absl::Status status = ReadWeight(row); !status.ok()) return status;
  if (schema_.list_separator != kListSeparator) {
    if (absl::Status status = TranslateLists(); !status.ok()) return status;
  }
  for (size_t i = 0; i < columns_.size(); ++i) cells_[i] = View(record_[columns_[i]]);
  row->cells = cells_;
  row->line = lines_.line_number();
  return true;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RowReader>> OpenTable(TableFormat format, LineReader lines,
                                                     const TrainingSchema& schema, Labels labels) {
  auto reader = std::make_unique<TableReader>(format, std::move(lines), schema, labels);
  if (absl::Status status = reader->ReadHeader(); !status.ok()) return status;
  return reader;
}

}  // namespace fmserve::trainer
