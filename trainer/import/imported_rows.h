// An imported model as the rows of a weight file that is to be.
#ifndef FMSERVE_TRAINER_IMPORT_IMPORTED_ROWS_H_
#define FMSERVE_TRAINER_IMPORT_IMPORTED_ROWS_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "model/feature_schema.h"
#include "model/field_matrix.h"
#include "trainer/import/feature_map.h"
#include "trainer/import/imported_model.h"
#include "trainer/row_table.h"

namespace fmserve::trainer {

class ImportedRows : public RowTable {
 public:
  // map.rows.size() == model.rows(). InvalidArgument names two rows that are the same feature.
  static absl::StatusOr<std::unique_ptr<ImportedRows>> Create(ImportedModel model, FeatureMap map,
                                                              const model::FeatureSchema& schema);

  double w0() const override { return model_.w0; }
  const std::optional<model::FieldMatrix>& field_matrix() const override { return field_matrix_; }
  absl::Status ForEach(Visit visit) const override;
  bool Find(uint64_t key, FeatureRow& row) const override;

  const ImportedModel& model() const { return model_; }
  const FeatureMap& map() const { return map_; }

 private:
  ImportedRows(ImportedModel model, FeatureMap map);
  void Read(size_t row, FeatureRow& out) const;

  ImportedModel model_;
  FeatureMap map_;
  absl::flat_hash_map<uint64_t, size_t> by_key_;
  const std::optional<model::FieldMatrix> field_matrix_{};  // no other tool has any
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_IMPORT_IMPORTED_ROWS_H_
