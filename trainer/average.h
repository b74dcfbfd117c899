// One model of several that learned the same thing from different logs.
//
// Ad systems train on the logs of several data centres, days or machines in parallel and average
// the parameters, weighted by how much each has seen. For w this is sound wherever training began.
// For factors it is only when all models began with the same ones: a score does not change when all
// factors are rotated, so models that began elsewhere end up rotated against each other, and the
// mean of rotated factors means nothing. `fm train` begins with factors that depend on the key and
// the seed alone (learner.h) and says so in the metadata.
//
// The factors of field-weighted models interact through their field matrix, which is learned, too.
// Where the matrices differ, so does what a factor means, and the mean of neither fits those of the
// other: only models of one matrix are averaged.
#ifndef FMSERVE_TRAINER_AVERAGE_H_
#define FMSERVE_TRAINER_AVERAGE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/golden.h"
#include "model/weight_file.h"
#include "trainer/rewrite.h"
#include "trainer/row_table.h"

namespace fmserve::trainer {

// The name in the metadata under which `fm train` says where the parameters began.
inline constexpr std::string_view kStartMetadataName = "model.start";

inline constexpr size_t kMaxAveraged = 64;

// How much a training row of each model counts, beside the number of its rows.
using ModelWeights = std::vector<double>;

// A row is the mean of the rows of the models that know its feature, each weighted by the training
// rows that had the feature there times the weight of the model; where no model counted any, by the
// weight of the model alone. A model that does not know a feature has not moved it from where it
// began and has no say. w0 is weighted by the training rows of the models.
class AveragedRows : public RowTable {
 public:
  // 2 to kMaxAveraged files that pass CheckAverageable; weights positive and finite, one per file.
  AveragedRows(std::vector<std::shared_ptr<const model::WeightFile>> files, ModelWeights weights);

  double w0() const override { return w0_; }
  const std::optional<model::FieldMatrix>& field_matrix() const override {
    return models_.front().field_matrix();  // the same in all
  }
  absl::Status ForEach(Visit visit) const override;
  bool Find(uint64_t key, FeatureRow& row) const override;

 private:
  // Of the feature that files from `first` on have; the files before do not.
  bool Average(uint64_t key, size_t first, FeatureRow& row) const;

  std::vector<FileRows> models_;
  ModelWeights weights_;
  double w0_ = 0.0;
};

// Whether the mean of the models is a model. InvalidArgument names the first file (by its place
// from 1) that differs from the first in k, task, calibration, fields (minimum counts aside) or
// field matrix, or has no counts; FailedPrecondition: it did not begin where the first did, or does
// not say.
enum class Start : uint8_t { kMustAgree, kIgnore };
absl::Status CheckAverageable(const std::vector<std::shared_ptr<const model::WeightFile>>& files,
                              Start start);

// What the new file takes over: of the first, with the smallest minimum counts, the sum of the
// training rows, and names if all have them.
model::WeightFileOptions AverageOptions(
    const std::vector<std::shared_ptr<const model::WeightFile>>& files);

// The goldens of all, in equal parts where they are too many for one file.
std::vector<model::Golden> AllGoldens(
    const std::vector<std::shared_ptr<const model::WeightFile>>& files);

// Of the first without what only it has been trained on, with lineage.
model::Metadata AverageMetadata(const std::vector<std::shared_ptr<const model::WeightFile>>& files,
                                const Lineage& lineage);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_AVERAGE_H_
