// Mean and standard deviation of the fields that training standardises.
#ifndef FMSERVE_TRAINER_MEASURE_H_
#define FMSERVE_TRAINER_MEASURE_H_

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "model/feature_schema.h"
#include "trainer/ranks.h"
#include "trainer/row_shard.h"
#include "trainer/schema_yaml.h"

namespace fmserve::trainer {

// schema.features with mean and stddev (of the population) of schema.fields_to_measure taken from
// the shards of all ranks, which are read only if there are any, on so many threads
// (parallel_chunks.h); missing values do not count. InvalidArgument names file and line of what is
// not a number, and a field without two different values. Errors of Ranks.
absl::StatusOr<model::FeatureSchema> MeasureFields(
    const RowShard& shard, const TrainingSchema& schema, uint32_t threads, Ranks& ranks,
    const std::function<void(uint64_t rows)>& progress);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_MEASURE_H_
