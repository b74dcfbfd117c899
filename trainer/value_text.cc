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

}  // namespace fmserve::trainer
