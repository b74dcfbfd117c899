// Learning that goes on from an earlier model: each day from yesterday's, with that day's rows.
#ifndef FMSERVE_TRAINER_WARM_START_H_
#define FMSERVE_TRAINER_WARM_START_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "model/feature_schema.h"
#include "model/weight_file.h"
#include "trainer/learner.h"
#include "trainer/schema_yaml.h"
#include "trainer/vocabulary.h"

namespace fmserve::trainer {

// Of the model that is to be learned.
struct ModelShape {
  uint32_t k = 0;
  uint32_t rank = 0;  // of the field matrix; 0: a plain FM
};

struct WarmStart {
  std::shared_ptr<const model::WeightFile> file;
  // What is kept of the weights of features that the new rows lack, 0 to 1. 1: all of them; 0: the
  // features are dropped.
  double unseen = 1.0;
};

// The features of `schema`, with what the earlier model measured of standardised fields: its
// weights go with that. InvalidArgument when its fields are others, it has no names, which tell the
// field of a row, another task or another shape.
absl::StatusOr<model::FeatureSchema> FeaturesOf(const WarmStart& start,
                                                const TrainingSchema& schema,
                                                const ModelShape& shape);

// Adds the features of the earlier model, with the rows that had them then. None of them is ever
// rare (Vocabulary::Prune). After those of the new rows.
void AddFeatures(const WarmStart& start, Vocabulary& vocabulary);

// Sets the parameters of features that the earlier model has, its w0 and field matrix. `vocabulary`
// is that of the learner's keys. How far earlier steps went is not in the file: the learner's sums
// of squared gradients begin anew.
void SetParameters(const WarmStart& start, const Vocabulary& vocabulary, Learner& learner);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_WARM_START_H_
