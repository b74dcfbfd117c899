// Keys back to what people wrote: the values that a weight file names its rows by.
#ifndef FMSERVE_TRAINER_VALUE_TEXT_H_
#define FMSERVE_TRAINER_VALUE_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/feature_schema.h"

namespace fmserve::trainer {

// The value of `field` that has the key, given a cell (feature_encoder.h) in which it stands: the
// value itself; the number of a bucket or of a dimension; "(missing)"; nothing for a number that is
// a weight, or if the cell does not hold it.
std::string ValueText(const model::FeatureSchema& schema, size_t field, uint64_t key,
                      std::string_view cell);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_VALUE_TEXT_H_
