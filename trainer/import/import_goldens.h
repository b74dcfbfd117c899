// Example requests for a model that comes without rows.
#ifndef FMSERVE_TRAINER_IMPORT_IMPORT_GOLDENS_H_
#define FMSERVE_TRAINER_IMPORT_IMPORT_GOLDENS_H_

#include <vector>

#include "model/feature_schema.h"
#include "model/golden.h"
#include "trainer/import/feature_map.h"

namespace fmserve::trainer {

// Rows of features that the model has, drawn with a fixed seed, some with a missing or an unknown
// value, and one without any; all with a score of 0, which Rewrite replaces.
std::vector<model::Golden> ImportGoldens(const FeatureMap& map, const model::FeatureSchema& schema);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_IMPORT_IMPORT_GOLDENS_H_
