#include "trainer/sparse_reader.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/text.h"

namespace fmserve::trainer {
namespace {

using model::Field;
using model::FieldKind;

// Takes the next word of a line; empty at its end.
std::string_view TakeWord(std::string_view& line) {
  constexpr std::string_view kSpace = " \t";
  line.remove_prefix(std::min(line.find_first_not_of(kSpace), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kSpace));
  line.remove_prefix(word.size());
  return word;
}

// Ids are numbers; those of a field of strings, as alphaFM has them, also other words. A '|' would
// be taken for two values.
bool IsId(const Field& field, std::string_view id) {
  if (!HasValues(field) || field.value_type == model::ValueType::kInteger) {
    return model::ParseInteger(id).has_value();
  }
  return !id.empty() && id.find('|') == std::string_view::npos;
}

// How a feature tells its field.
enum class FieldOf : uint8_t { kOnlyOne, kPosition, kNumber };

class SparseReader : public RowReader {
 public:
  SparseReader(FieldOf field_of, LineReader lines, const TrainingSchema& schema, Labels labels)
      : field_of_(field_of),
        schema_(schema),
        labels_(labels),
        lines_(std::move(lines)),
        texts_(schema.features.size()),
        cells_(schema.features.size()) {}

  absl::StatusOr<bool> Next(Row* row) override;
  std::string Where() const override { return lines_.Where(); }

 private:
  absl::Status Parse(std::string_view line, Row* row);
  absl::Status ParseLabelOf(std::string_view& line, Row* row) const;
  absl::StatusOr<size_t> TakeField(std::string_view word, size_t position,
                                   std::string_view& rest) const;
  absl::Status AddFeature(std::string_view word, size_t position);

  const FieldOf field_of_;
  const TrainingSchema& schema_;
  Labels labels_;
  LineReader lines_;
  std::vector<std::string> texts_;       // of each field, rewritten for each row
  std::vector<std::string_view> cells_;  // views of texts_
};

// The label is the first word; a word with a ':' is a feature already.
absl::Status SparseReader::ParseLabelOf(std::string_view& line, Row* row) const {
  row->label.reset();
  std::string_view rest = line;
  const std::string_view word = TakeWord(rest);
  if (labels_ == Labels::kOptional && word.find(':') != std::string_view::npos) {
    return absl::OkStatus();
  }
  const absl::StatusOr<float> label = ParseLabel(schema_.task, word);
  if (!label.ok()) return label.status();
  row->label = *label;
  line = rest;
  return absl::OkStatus();
}

// The field of feature number `position` of a line; `rest` is what of the word tells its id.
absl::StatusOr<size_t> SparseReader::TakeField(std::string_view word, size_t position,
                                               std::string_view& rest) const {
  rest = word;
  if (field_of_ == FieldOf::kOnlyOne) return 0;
  if (field_of_ == FieldOf::kPosition) {
    if (position < texts_.size()) return position;
    return absl::InvalidArgumentError(absl::StrCat(
        model::Quote(word), " is one feature more than the ", texts_.size(), " of the schema"));
  }
  const std::optional<int64_t> number = model::ParseInteger(model::TakeUntil(':', rest));
  if (number && *number >= 0 && static_cast<size_t>(*number) < texts_.size())
    return static_cast<size_t>(*number);
  return absl::InvalidArgumentError(absl::StrCat(model::Quote(word),
                                                 " does not begin with a field from 0 to ",
                                                 texts_.size() - 1, ", a position in the schema"));
}

// Appends "[field:]id[:value]" to the text of its field, as FeatureEncoder::AddText reads it.
absl::Status SparseReader::AddFeature(std::string_view word, size_t position) {
  std::string_view rest;
  const absl::StatusOr<size_t> index = TakeField(word, position, rest);
  if (!index.ok()) return index.status();
  const std::string_view id = model::TakeUntil(':', rest);
  const std::string_view value = rest.empty() ? "1" : rest;
  const std::optional<double> number = model::ParseNumber(value);
  const Field& field = schema_.features.field(*index);
  if (!number || !IsId(field, id) || word.ends_with(':')) {
    return absl::InvalidArgumentError(absl::StrCat(
        model::Quote(word), " is not ", field_of_ == FieldOf::kNumber ? "field:" : "", "id:value"));
  }
  std::string& text = texts_[*index];
  if (!text.empty() && field.kind != FieldKind::kMultiValued) {
    return absl::InvalidArgumentError(absl::StrCat(
        model::Quote(word), " is the second value of field '", field.name, "', which takes one"));
  }
  if (field.kind == FieldKind::kNumeric) {
    text = value;
    return absl::OkStatus();
  }
  if (!field.weighted && *number != 1.0) {
    return absl::InvalidArgumentError(absl::StrCat(model::Quote(word),
                                                   " has a value other than 1, but field '",
                                                   field.name, "' is not weighted"));
  }
  if (!text.empty()) text += '|';
  text += id;
  if (field.weighted) (text += ':') += value;
  return absl::OkStatus();
}

absl::Status SparseReader::Parse(std::string_view line, Row* row) {
  for (std::string& text : texts_) text.clear();
  if (absl::Status status = ParseLabelOf(line, row); !status.ok()) return status;
  size_t features = 0;
  for (std::string_view word = TakeWord(line); !word.empty(); word = TakeWord(line)) {
    if (absl::Status status = AddFeature(word, features++); !status.ok()) return status;
  }
  if (field_of_ == FieldOf::kPosition && features < texts_.size()) {
    return absl::InvalidArgumentError(absl::StrCat("there are ", features,
                                                   " features, but the schema has ", texts_.size(),
                                                   " fields, each for the feature in its place"));
  }
  for (size_t i = 0; i < texts_.size(); ++i) cells_[i] = texts_[i];
  return absl::OkStatus();
}

absl::StatusOr<bool> SparseReader::Next(Row* row) {
  std::string_view text;
  do {
    std::span<char> line;
    const absl::StatusOr<bool> more = lines_.Next(&line);
    if (!more.ok() || !*more) return more;
    text = std::string_view(line.data(), line.size());
    text = text.substr(0, text.find('#'));
  } while (text.find_first_not_of(" \t") == std::string_view::npos);
  if (absl::Status status = Parse(text, row); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(Where(), ": ", status.message()));
  }
  row->cells = cells_;
  row->line = lines_.line_number();
  return true;
}

absl::StatusOr<std::unique_ptr<RowReader>> OpenSparse(FieldOf field_of, LineReader lines,
                                                      const TrainingSchema& schema, Labels labels) {
  for (const auto& [key, column] :
       {std::pair("label", &schema.label_column), std::pair("weight", &schema.weight_column)}) {
    if (column->empty()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("libsvm and libffm files have no columns: remove '", key, ": ", *column,
                     "' from the schema"));
  }
  return std::make_unique<SparseReader>(field_of, std::move(lines), schema, labels);
}

absl::Status CheckNoVectors(const TrainingSchema& schema) {
  for (const Field& field : schema.features.fields()) {
    if (field.kind != FieldKind::kDenseVector) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "field '", field.name, "' is a dense_vector, which a libsvm or libffm file cannot hold"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<RowReader>> OpenLibsvm(LineReader lines,
                                                      const TrainingSchema& schema, Labels labels) {
  if (absl::Status status = CheckNoVectors(schema); !status.ok()) return status;
  const bool one_list =
      schema.features.size() == 1 && schema.features.field(0).kind == FieldKind::kMultiValued;
  return OpenSparse(one_list ? FieldOf::kOnlyOne : FieldOf::kPosition, std::move(lines), schema,
                    labels);
}

absl::StatusOr<std::unique_ptr<RowReader>> OpenLibffm(LineReader lines,
                                                      const TrainingSchema& schema, Labels labels) {
  if (absl::Status status = CheckNoVectors(schema); !status.ok()) return status;
  return OpenSparse(FieldOf::kNumber, std::move(lines), schema, labels);
}

}  // namespace fmserve::trainer
