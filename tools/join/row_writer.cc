#include "tools/join/row_writer.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "trainer/row_reader.h"

namespace fmserve::tools {

using trainer::TableFormat;

absl::StatusOr<RowWriter> RowWriter::Create(const std::string& path,
                                            const trainer::TrainingSchema& schema) {
  const std::optional<TableFormat> format =
      schema.format.has_value() ? schema.format : trainer::FormatOfPath(path);
  const bool is_csv = format == TableFormat::kCsv;
  const bool is_compressed = path.ends_with(".gz") || path.ends_with(".zst");
  if ((format != TableFormat::kTsv && !is_csv) || is_compressed) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": rows are written as .tsv or .csv"));
  }
  if (schema.label_column.empty())
    return absl::InvalidArgumentError("the schema names no label: the column that clicks go into");
  absl::StatusOr<model::AtomicFile> file = model::AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  RowWriter writer(*std::move(file), is_csv, schema.separator.value_or(is_csv ? ',' : '\t'));
  bool fits = writer.AppendCell(schema.label_column);
  for (const std::string& column : schema.columns) {
    writer.line_ += writer.separator_;
    fits = writer.AppendCell(column) && fits;
  }
  if (!fits)
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": a column's name needs quotes, which only .csv has"));
  if (absl::Status status = writer.AppendLine(); !status.ok()) return status;
  return writer;
}

absl::StatusOr<bool> RowWriter::Write(bool label, std::span<const std::string> cells) {
  line_ = label ? "1" : "0";
  for (const std::string& cell : cells) {
    line_ += separator_;
    if (!AppendCell(cell)) return false;
  }
  if (absl::Status status = AppendLine(); !status.ok()) return status;
  return true;
}

bool RowWriter::AppendCell(std::string_view cell) {
  const bool plain = cell.find_first_of("\r\n") == std::string_view::npos &&
                     cell.find(separator_) == std::string_view::npos;
  if (!quotes_ || (plain && !cell.starts_with('"'))) {
    line_ += cell;
    return plain;
  }
  line_ += '"';
  for (const char c : cell) {
    if (c == '"') line_ += '"';
    line_ += c;
  }
  line_ += '"';
  return true;
}

absl::Status RowWriter::AppendLine() {
  line_ += '\n';
  const absl::Status status = file_.Append(std::as_bytes(std::span(line_)));
  line_.clear();
  return status;
}

}  // namespace fmserve::tools
