#include "tools/join/row_builder.h"

#include <charconv>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "model/text.h"

namespace fmserve::tools {
namespace {

using model::Field;
using model::FieldKind;

constexpr char kEncoderSeparator = '|';
constexpr char kWeightSeparator = ':';
constexpr double kMaxExactInteger = 9007199254740992.0;  // 2^53, as the encoder

bool IsList(const Field& field) {
  return field.kind == FieldKind::kMultiValued || field.kind == FieldKind::kDenseVector;
}

// The shortest text that reads as the same number.
template <typename Number>
std::string NumberText(Number number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof(text), number).ptr};
}

}  // namespace

void RowBuilder::Clear(model::Side side) {
  for (size_t i = 0; i < cells_.size(); ++i) {
    if (schema_.features.field(i).side == side) cells_[i].clear();
  }
  unwritable_[static_cast<size_t>(side)] = false;
}

void RowBuilder::AddValue(size_t field, std::string_view value, float weight) {
  const Field& f = schema_.features.field(field);
  std::string& cell = cells_[field];
  if (value.empty()) return;
  if (!IsList(f)) {
    cell = value;
    return;
  }
  if (value.find(kEncoderSeparator) != std::string_view::npos ||
      value.find(schema_.list_separator) != std::string_view::npos)
    unwritable_[static_cast<size_t>(f.side)] = true;
  if (!cell.empty()) cell += schema_.list_separator;
  cell += value;
  // A value with a colon of its own needs the weight, so that the last one is not taken for it.
  if (f.weighted && (weight != 1.0F || value.find(kWeightSeparator) != std::string_view::npos))
    absl::StrAppend(&cell, std::string(1, kWeightSeparator), NumberText(weight));
}

void RowBuilder::AddNumber(size_t field, double number) {
  const Field& f = schema_.features.field(field);
  if (std::isnan(number) && f.kind == FieldKind::kNumeric) return;  // missing
  const bool as_integer = HasValues(f) && std::abs(number) <= kMaxExactInteger;
  AddValue(field, as_integer ? absl::StrCat(static_cast<int64_t>(number)) : NumberText(number),
           1.0F);
}

absl::Status RowBuilder::Add(const FeatureMessages& features) {
  for (const v1::Feature& feature : features) {
    const std::optional<size_t> field = schema_.features.Find(feature.field());
    if (!field.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat("the schema has no field ",
                                                     model::Quote(feature.field()),
                                                     ", which the server was sent"));
    }
    const auto weight = [&feature](int i) {
      return i < feature.weights_size() ? feature.weights(i) : 1.0F;
    };
    for (int i = 0; i < feature.strings_size(); ++i)
      AddValue(*field, feature.strings(i), weight(i));
    for (int i = 0; i < feature.integers_size(); ++i)
      AddValue(*field, absl::StrCat(feature.integers(i)), weight(i));
    for (const double number : feature.numbers()) AddNumber(*field, number);
  }
  return absl::OkStatus();
}

absl::Status RowBuilder::Add(const v1::PackedFeatures& packed, size_t first, size_t count) {
  const size_t size = std::min(packed.fields().size(), static_cast<size_t>(packed.keys_size()));
  if (first > size || count > size - first)
    return absl::InvalidArgumentError("the lengths go beyond the features of the request");
  for (size_t i = first; i < first + count; ++i) {
    const auto field = static_cast<uint8_t>(packed.fields()[i]);
    if (field >= schema_.features.size()) {
      return absl::InvalidArgumentError(absl::StrCat("the schema has ", schema_.features.size(),
                                                     " fields, and the server was sent number ",
                                                     int{field}));
    }
    const float value =
        i < static_cast<size_t>(packed.values_size()) ? packed.values(static_cast<int>(i)) : 1.0F;
    if (!HasValues(schema_.features.field(field))) {
      if (!std::isnan(value)) AddValue(field, NumberText(value), 1.0F);
    } else {
      AddValue(field, names_->Find(field, packed.keys(static_cast<int>(i))), value);
    }
  }
  return absl::OkStatus();
}

void RowBuilder::SetCell(size_t field, std::string_view cell) {
  cells_[field] = cell;
  if (!IsList(schema_.features.field(field))) return;
  for (char& c : cells_[field]) {
    if (c == kEncoderSeparator) c = schema_.list_separator;
  }
}

}  // namespace fmserve::tools
