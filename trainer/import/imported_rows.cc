#include "trainer/import/imported_rows.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/text.h"

namespace fmserve::trainer {

ImportedRows::ImportedRows(ImportedModel model, FeatureMap map)
    : model_(std::move(model)), map_(std::move(map)) {}

absl::StatusOr<std::unique_ptr<ImportedRows>> ImportedRows::Create(
    ImportedModel model, FeatureMap map, const model::FeatureSchema& schema) {
  std::unique_ptr<ImportedRows> rows(new ImportedRows(std::move(model), std::move(map)));
  rows->by_key_.reserve(rows->model_.rows());
  for (size_t row = 0; row < rows->map_.rows.size(); ++row) {
    const RowFeature& feature = rows->map_.rows[row];
    if (feature.key == 0) continue;
    const auto [it, is_new] = rows->by_key_.try_emplace(feature.key, row);
    if (is_new) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "rows ", it->second, " and ", row, " of the file are both the feature ",
        model::Quote(feature.value), " of field '", schema.field(feature.field).name, "'"));
  }
  return rows;
}

void ImportedRows::Read(size_t row, FeatureRow& out) const {
  const RowFeature& feature = map_.rows[row];
  out.key = feature.key;
  out.name = model::FeatureName{.field = feature.field, .value = feature.value};
  out.count = 0;
  out.w = model_.w[row];
  const std::span<const float> factors = model_.factors(row);
  out.v.assign(factors.begin(), factors.end());
}

absl::Status ImportedRows::ForEach(Visit visit) const {
  FeatureRow row;
  for (size_t i = 0; i < map_.rows.size(); ++i) {
    if (map_.rows[i].key == 0) continue;
    Read(i, row);
    if (absl::Status status = visit(row); !status.ok()) {
      return absl::Status(status.code(),
                          absl::StrCat("row ", i, ", ", model::Quote(map_.rows[i].value), ": ",
                                       std::string(status.message())));
    }
  }
  return absl::OkStatus();
}

bool ImportedRows::Find(uint64_t key, FeatureRow& row) const {
  const auto it = by_key_.find(key);
  if (it == by_key_.end()) return false;
  Read(it->second, row);
  return true;
}

}  // namespace fmserve::trainer
