#include "trainer/value_text.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "model/numeric_transform.h"
#include "model/text.h"

namespace fmserve::trainer {
namespace {

// The value as the encoder takes it: "042" is 42 in a field of integers.
std::string Canonical(const model::Field& field, std::string_view value) {
  if (field.value_type == model::ValueType::kString) return std::string(value);
  const std::optional<int64_t> integer = model::ParseInteger(value);
  return integer ? absl::StrCat(*integer) : "";
}

bool HasKey(const model::FeatureSchema& schema, size_t field, std::string_view value,
            uint64_t key) {
  if (schema.field(field).value_type == model::ValueType::kString) {
    return model::ValueKey(schema.seed(field), value) == key;
  }
  const std::optional<int64_t> integer = model::ParseInteger(value);
  return integer && model::ValueKey(schema.seed(field), *integer) == key;
}

// An element is the value, or value:weight.
std::string ElementText(const model::FeatureSchema& schema, size_t field, uint64_t key,
                        std::string_view cell) {
  while (!cell.empty()) {
    const std::string_view element = model::TakeUntil('|', cell);
    for (const std::string_view value : {element, element.substr(0, element.rfind(':'))}) {
      if (HasKey(schema, field, value, key)) return Canonical(schema.field(field), value);
    }
  }
  return "";
}

std::string BucketText(const model::Field& field, std::string_view cell) {
  const std::optional<double> raw = model::ParseNumber(cell);
  if (!raw || !model::MakesBuckets(field.transform)) return "";
  return absl::StrCat(model::TransformNumber(field, static_cast<float>(*raw)).bucket);
}

std::string DimensionText(const model::FeatureSchema& schema, size_t field, uint64_t key) {
  for (uint32_t dimension = 0; dimension < schema.field(field).dimension; ++dimension) {
    if (model::NumericKey(schema.seed(field), dimension) == key) return absl::StrCat(dimension);
  }
  return "";
}

absl::Status Refuse(const model::Field& field, std::string_view text, std::string_view wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat(model::Quote(text), " names no feature of field '", field.name, "', which is ",
                   std::string(model::Name(field.kind)), ": it takes ", std::string(wanted)));
}

absl::StatusOr<uint64_t> KeyOfValue(const model::FeatureSchema& schema, size_t field,
                                    std::string_view text) {
  if (schema.field(field).value_type == model::ValueType::kInteger) {
    const std::optional<int64_t> integer = model::ParseInteger(text);
    if (!integer) return Refuse(schema.field(field), text, "integers");
    return model::ValueKey(schema.seed(field), *integer);
  }
  if (text.empty() || text.size() > model::kMaxValueBytes) {
    return Refuse(schema.field(field), text,
                  absl::StrCat("texts of 1 to ", model::kMaxValueBytes, " bytes"));
  }
  return model::ValueKey(schema.seed(field), text);
}

absl::StatusOr<uint64_t> KeyOfNumber(const model::FeatureSchema& schema, size_t field,
                                     std::string_view text) {
  const bool buckets = model::MakesBuckets(schema.field(field).transform);
  const std::optional<int64_t> bucket = buckets ? model::ParseInteger(text) : 0;
  if (!bucket) return Refuse(schema.field(field), text, "the number of a bucket");
  if (!buckets && !text.empty()) return Refuse(schema.field(field), text, "an empty text");
  return model::NumericKey(schema.seed(field), *bucket);
}

}  // namespace

std::string ValueText(const model::FeatureSchema& schema, size_t field, uint64_t key,
                      std::string_view cell) {
  if (key == schema.missing_key(field)) return "(missing)";
  switch (schema.field(field).kind) {
    case model::FieldKind::kCategorical:
      return Canonical(schema.field(field), cell);
    case model::FieldKind::kMultiValued:
      return ElementText(schema, field, key, cell);
    case model::FieldKind::kNumeric:
      return BucketText(schema.field(field), cell);
    case model::FieldKind::kDenseVector:
      return DimensionText(schema, field, key);
  }
  return "";
}

absl::StatusOr<uint64_t> KeyOfText(const model::FeatureSchema& schema, size_t field,
                                   std::string_view text) {
  if (text == "(missing)") return schema.missing_key(field);
  if (text == "(rare)") return schema.rare_key(field);
  switch (schema.field(field).kind) {
    case model::FieldKind::kCategorical:
    case model::FieldKind::kMultiValued:
      return KeyOfValue(schema, field, text);
    case model::FieldKind::kNumeric:
      return KeyOfNumber(schema, field, text);
    case model::FieldKind::kDenseVector:
      break;
  }
  const uint32_t dimensions = schema.field(field).dimension;
  const std::optional<int64_t> dimension = model::ParseInteger(text);
  if (!dimension || *dimension < 0 || *dimension >= int64_t{dimensions}) {
    return Refuse(schema.field(field), text, absl::StrCat("numbers from 0 to ", dimensions - 1));
  }
  return model::NumericKey(schema.seed(field), *dimension);
}

std::string EscapeCell(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '\t':
        escaped += "\\t";
        break;
      case '\n':
        escaped += "\\n";
        break;
      case '\r':
        escaped += "\\r";
        break;
      case '\\':
        escaped += "\\\\";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::optional<std::string> UnescapeCell(std::string_view cell) {
  constexpr std::string_view kLetters = "tnr\\";
  constexpr std::string_view kMeanings = "\t\n\r\\";
  std::string text;
  for (size_t i = 0; i < cell.size(); ++i) {
    if (cell[i] != '\\') {
      text += cell[i];
      continue;
    }
    const size_t letter = ++i < cell.size() ? kLetters.find(cell[i]) : std::string_view::npos;
    if (letter == std::string_view::npos) return std::nullopt;
    text += kMeanings[letter];
  }
  return text;
}

}  // namespace fmserve::trainer
