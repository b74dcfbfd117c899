#include "trainer/import/import_goldens.h"

#include <cstdint>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"

namespace fmserve::trainer {
namespace {

constexpr uint64_t kSeed = 1;
constexpr size_t kGoldens = 31;         // and one without any value
constexpr size_t kValuesPerField = 64;  // to draw from
constexpr size_t kListValues = 8;

class GoldenMaker {
 public:
  GoldenMaker(const FeatureMap& map, const model::FeatureSchema& schema)
      : schema_(schema), random_(kSeed), values_(schema.size()) {
    std::vector<uint64_t> seen(schema.size());
    for (const RowFeature& feature : map.rows) {
      if (!IsValue(feature)) continue;
      std::vector<std::string>& values = values_[feature.field];
      const uint64_t place = seen[feature.field] < kValuesPerField
                                 ? seen[feature.field]
                                 : random_() % (seen[feature.field] + 1);
      ++seen[feature.field];
      if (place == values.size()) {
        values.push_back(feature.value);
      } else if (place < values.size()) {
        values[place] = feature.value;
      }
    }
  }

  std::vector<std::string> Row(size_t index) {
    std::vector<std::string> cells;
    for (size_t field = 0; field < schema_.size(); ++field) cells.push_back(Cell(field));
    const size_t changed = index / 4 % schema_.size();
    if (index % 4 == 2) cells[changed].clear();
    if (index % 4 == 3 && model::HasValues(schema_.field(changed))) {
      cells[changed] = UnknownValue(schema_.field(changed));
    }
    return cells;
  }

 private:
  // Whether a cell can hold the value.
  bool IsValue(const RowFeature& feature) const {
    return feature.key != 0 && feature.key != schema_.missing_key(feature.field) &&
           feature.key != schema_.rare_key(feature.field) &&
           model::HasValues(schema_.field(feature.field)) &&
           feature.value.find('|') == std::string::npos;
  }

  static std::string UnknownValue(const model::Field& field) {
    const std::string value =
        field.value_type == model::ValueType::kInteger ? "-987654321" : "(unseen)";
    return field.weighted ? value + ":1" : value;
  }

  std::string Cell(size_t field) {
    switch (schema_.field(field).kind) {
      case model::FieldKind::kCategorical:
        return Value(field);
      case model::FieldKind::kMultiValued:
        return List(field);
      case model::FieldKind::kNumeric:
        return Number();
      case model::FieldKind::kDenseVector:
        break;
    }
    std::string cell = Number();
    for (uint32_t d = 1; d < schema_.field(field).dimension; ++d) {
      absl::StrAppend(&cell, "|", Number());
    }
    return cell;
  }

  std::string Value(size_t field) {
    const std::vector<std::string>& values = values_[field];
    return values.empty() ? "" : values[random_() % values.size()];
  }

  std::string List(size_t field) {
    if (values_[field].empty()) return "";
    std::string cell;
    const size_t count = 1 + random_() % kListValues;
    for (size_t i = 0; i < count; ++i) {
      absl::StrAppend(&cell, i > 0 ? "|" : "", Value(field));
      if (schema_.field(field).weighted)
        absl::StrAppend(&cell, ":", random_() % 4 == 0 ? "0.5" : "1");
    }
    return cell;
  }

  // A quarter, so that no text of it is rounded.
  std::string Number() { return absl::StrCat(static_cast<double>(random_() % 32) / 4 - 2); }

  const model::FeatureSchema& schema_;
  std::mt19937_64 random_;
  std::vector<std::vector<std::string>> values_;  // by field
};

}  // namespace

std::vector<model::Golden> ImportGoldens(const FeatureMap& map,
                                         const model::FeatureSchema& schema) {
  GoldenMaker maker(map, schema);
  std::vector<model::Golden> goldens;
  for (size_t i = 0; i < kGoldens; ++i) {
    goldens.push_back({.cells = maker.Row(i), .score = 0.0});
  }
  goldens.push_back({.cells = std::vector<std::string>(schema.size()), .score = 0.0});
  return goldens;
}

}  // namespace fmserve::trainer
