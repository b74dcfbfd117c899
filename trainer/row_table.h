// The rows of a model as features with weights, wherever they come from: a weight file, or what is
// to become one.
#ifndef FMSERVE_TRAINER_ROW_TABLE_H_
#define FMSERVE_TRAINER_ROW_TABLE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "model/field_matrix.h"
#include "model/name_table.h"
#include "model/weight_file.h"

namespace fmserve::trainer {

struct FeatureRow {
  uint64_t key = 0;
  std::optional<model::FeatureName> name{};  // its value lives as long as the file it is from
  uint64_t count = 0;                        // training rows that have the feature; 0: unknown
  float w = 0.0F;
  std::vector<float> v{};  // k values
};

// Immutable; safe from any thread.
class RowTable {
 public:
  using Visit = absl::FunctionRef<absl::Status(const FeatureRow&)>;

  virtual ~RowTable() = default;

  virtual double w0() const = 0;

  // Of a field-weighted model.
  virtual const std::optional<model::FieldMatrix>& field_matrix() const = 0;

  // Every feature once, each time in the same order. An error of `visit` ends it and is returned.
  virtual absl::Status ForEach(Visit visit) const = 0;

  // Fills in `row` if there is a feature with that key.
  virtual bool Find(uint64_t key, FeatureRow& row) const = 0;
};

// The rows of a file, in its order.
class FileRows : public RowTable {
 public:
  explicit FileRows(std::shared_ptr<const model::WeightFile> file) : file_(std::move(file)) {}

  const model::WeightFile& file() const { return *file_; }

  double w0() const override { return file_->info().w0; }
  const std::optional<model::FieldMatrix>& field_matrix() const override {
    return file_->field_matrix();
  }
  absl::Status ForEach(Visit visit) const override;
  bool Find(uint64_t key, FeatureRow& row) const override;

 private:
  void Read(uint32_t slot, FeatureRow& row) const;

  std::shared_ptr<const model::WeightFile> file_;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_ROW_TABLE_H_
