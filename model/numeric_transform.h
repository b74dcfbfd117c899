// What becomes of the value of a numeric field. A raw value is a 32-bit float, because that is what
// the packed form of a request carries: text and doubles are rounded to it first, so that every way
// in gives the same feature.
#ifndef FMSERVE_MODEL_NUMERIC_TRANSFORM_H_
#define FMSERVE_MODEL_NUMERIC_TRANSFORM_H_

#include <cstdint>

#include "model/feature_schema.h"

namespace fmserve::model {

struct NumericFeature {
  int64_t bucket = 0;  // 0 unless the transform makes buckets
  float x = 1.0F;
};

// `field` is numeric, `raw` finite. x may overflow to an infinity (standardise, tiny stddev).
NumericFeature TransformNumber(const Field& field, float raw);

// Whether the transform gives each bucket a feature of its own, with x = 1.
constexpr bool MakesBuckets(Transform transform) {
  return transform == Transform::kBoundaries || transform == Transform::kLogSquare;
}

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_NUMERIC_TRANSFORM_H_
