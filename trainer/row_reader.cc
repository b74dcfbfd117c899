#include "trainer/row_reader.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/text.h"
#include "trainer/input_stream.h"
#include "trainer/line_reader.h"
#include "trainer/sparse_reader.h"
#include "trainer/table_reader.h"

namespace fmserve::trainer {
namespace {

std::string_view WithoutSuffix(std::string_view path, std::string_view suffix) {
  if (path.ends_with(suffix)) path.remove_suffix(suffix.size());
  return path;
}

class TextStream : public InputStream {
 public:
  explicit TextStream(std::string text) : text_(std::move(text)) {}

  absl::StatusOr<size_t> Read(std::span<char> buffer) override {
    const size_t count = text_.copy(buffer.data(), buffer.size(), begin_);
    begin_ += count;
    return count;
  }

 private:
  const std::string text_;
  size_t begin_ = 0;  // of what was not read yet
};

absl::StatusOr<std::unique_ptr<RowReader>> OpenLines(TableFormat format, LineReader lines,
                                                     const TrainingSchema& schema, Labels labels) {
  switch (format) {
    case TableFormat::kTsv:
    case TableFormat::kCsv:
      return OpenTable(format, std::move(lines), schema, labels);
    case TableFormat::kLibsvm:
      return OpenLibsvm(std::move(lines), schema, labels);
    case TableFormat::kLibffm:
      return OpenLibffm(std::move(lines), schema, labels);
  }
  return absl::InternalError("unknown table format");
}

}  // namespace

std::optional<TableFormat> FormatOfPath(std::string_view path) {
  path = WithoutSuffix(WithoutSuffix(path, ".gz"), ".zst");
  const std::string_view extension = path.substr(std::min(path.rfind('.'), path.size()));
  if (extension == ".tsv") return TableFormat::kTsv;
  if (extension == ".csv") return TableFormat::kCsv;
  if (extension == ".libsvm" || extension == ".svm") return TableFormat::kLibsvm;
  if (extension == ".libffm" || extension == ".ffm") return TableFormat::kLibffm;
  return std::nullopt;
}

absl::StatusOr<float> ParseLabel(model::Task task, std::string_view text) {
  std::string_view unsigned_text = text;
  if (unsigned_text.starts_with('+')) unsigned_text.remove_prefix(1);
  const double value = model::ParseNumber(unsigned_text).value_or(std::nan(""));
  if (task == model::Task::kRegression) {
    const auto label = static_cast<float>(value);
    if (std::isfinite(label)) return label;
    return absl::InvalidArgumentError(
        absl::StrCat("label ", model::Quote(text), " is not a finite number"));
  }
  if (value == 1.0) return 1.0F;
  if (value == 0.0 || value == -1.0) return 0.0F;
  return absl::InvalidArgumentError(
      absl::StrCat("label ", model::Quote(text),
                   " of a binary task is not 1, 0 or -1 (-1 means the same as 0)"));
}

absl::StatusOr<float> ParseWeight(std::string_view text) {
  const double weight = model::ParseNumber(text).value_or(-1.0);
  if (weight >= 0.0 && weight <= double{kMaxRowWeight}) return static_cast<float>(weight);
  return absl::InvalidArgumentError(
      absl::StrCat("weight ", model::Quote(text), " is not a number from 0 to ", kMaxRowWeight));
}

absl::StatusOr<TableFormat> FormatOf(const std::string& path, const TrainingSchema& schema) {
  const std::optional<TableFormat> format = schema.format ? schema.format : FormatOfPath(path);
  if (format.has_value()) return *format;
  return absl::InvalidArgumentError(
      absl::StrCat(path,
                   ": the name does not tell the format; set 'format' in the schema or name "
                   "the file .tsv, .csv, .libsvm or .libffm"));
}

absl::StatusOr<std::unique_ptr<RowReader>> RowReader::Open(const std::string& path,
                                                           const TrainingSchema& schema,
                                                           Labels labels) {
  const absl::StatusOr<TableFormat> format = FormatOf(path, schema);
  if (!format.ok()) return format.status();
  absl::StatusOr<std::unique_ptr<InputStream>> input = InputStream::Open(path);
  if (!input.ok()) return input.status();
  return OpenLines(*format, LineReader(path, *std::move(input)), schema, labels);
}

absl::StatusOr<std::unique_ptr<RowReader>> RowReader::OpenChunk(Chunk chunk,
                                                                const TrainingSchema& schema,
                                                                Labels labels) {
  auto input = std::make_unique<TextStream>(std::move(chunk.text));
  LineReader lines(std::move(chunk.path), std::move(input), chunk.lines_before);
  return OpenLines(chunk.format, std::move(lines), schema, labels);
}
}  // namespace fmserve::trainer
