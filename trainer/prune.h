// A model without the features that do little: seen too rarely, too close to what takes their
// place, or of things that are gone.
//
// Only values of categorical and multi-valued fields are ever dropped. What takes the place of a
// dropped feature is what takes the place of an unknown one: the rare row of its field, or nothing
// if there is none.
#ifndef FMSERVE_TRAINER_PRUNE_H_
#define FMSERVE_TRAINER_PRUNE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/weight_file.h"
#include "trainer/row_table.h"

namespace fmserve::trainer {

// The values that are to stay. Fields that it does not name keep all of theirs.
struct KeepList {
  std::vector<bool> fields;  // by index: whether the list names it
  absl::flat_hash_set<uint64_t> keys;
};

// Reads lines of a field, a tab and a value; the file may be .gz or .zst. InvalidArgument names
// file and line of a field that the schema does not have or that has no values, of a value that it
// would refuse, and a list without lines.
absl::StatusOr<KeepList> ReadKeepList(const std::string& path, const model::FeatureSchema& schema);

// A feature is dropped when any of them says so.
struct PruneOptions {
  uint64_t min_count = 0;  // drops what fewer training rows had; needs the file's counts
  double min_norm = 0.0;   // drops rows (w, v) nearer to what takes their place, as Euclid has it
  std::optional<KeepList> keep{};  // drops what is not in it
};

// Of one field; rows of dropped features by the first reason that applies.
struct PrunedField {
  uint64_t kept = 0;
  uint64_t under_count = 0;
  uint64_t under_norm = 0;
  uint64_t not_in_list = 0;
};

class PrunedRows : public RowTable {
 public:
  // InvalidArgument: the file has no names, which tell the fields of its rows, or no counts
  // although options.min_count is not 0.
  static absl::StatusOr<std::unique_ptr<PrunedRows>> Create(
      std::shared_ptr<const model::WeightFile> file, PruneOptions options);

  double w0() const override { return rows_.w0(); }
  const std::optional<model::FieldMatrix>& field_matrix() const override {
    return rows_.field_matrix();
  }
  absl::Status ForEach(Visit visit) const override;
  bool Find(uint64_t key, FeatureRow& row) const override;

  // By field of the schema.
  std::vector<PrunedField> CountByField() const;

 private:
  enum class Reason : uint8_t { kNone, kCount, kNorm, kList };

  PrunedRows(std::shared_ptr<const model::WeightFile> file, PruneOptions options);

  Reason WhyDropped(const FeatureRow& row) const;
  double DistanceToPlaceholder(const FeatureRow& row) const;

  FileRows rows_;
  PruneOptions options_;
  std::vector<FeatureRow> rare_rows_;  // by field; all 0 where the file has none
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_PRUNE_H_
