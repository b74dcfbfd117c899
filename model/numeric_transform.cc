#include "model/numeric_transform.h"

#include <algorithm>
#include <cmath>

namespace fmserve::model {
namespace {

constexpr float kLeastLogSquareBucket = -1000.0F;

int64_t LogSquareBucket(float raw) {
  if (raw > 2.0F) {
    const double log = std::log(static_cast<double>(raw));
    return static_cast<int64_t>(std::floor(log * log));
  }
  return static_cast<int64_t>(std::max(std::floor(raw) - 3.0F, kLeastLogSquareBucket));
}

int64_t BoundaryBucket(const Field& field, float raw) {
  const auto above = std::upper_bound(field.boundaries.begin(), field.boundaries.end(), raw);
  return above - field.boundaries.begin();
}

}  // namespace

NumericFeature TransformNumber(const Field& field, float raw) {
  switch (field.transform) {
    case Transform::kIdentity:
      return {.bucket = 0, .x = raw};
    case Transform::kLog:
      return {.bucket = 0, .x = std::copysign(std::log1p(std::abs(raw)), raw)};
    case Transform::kStandardise:
      return {.bucket = 0, .x = static_cast<float>((raw - field.mean) / field.stddev)};
    case Transform::kBoundaries:
      return {.bucket = BoundaryBucket(field, raw), .x = 1.0F};
    case Transform::kLogSquare:
      return {.bucket = LogSquareBucket(raw), .x = 1.0F};
  }
  return {};
}

}  // namespace fmserve::model
