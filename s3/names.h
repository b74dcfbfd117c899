// Names that a store takes.
#ifndef FMSERVE_S3_NAMES_H_
#define FMSERVE_S3_NAMES_H_

#include <string_view>

#include "absl/status/status.h"

namespace fmserve::s3 {

// InvalidArgument says what is allowed.
absl::Status CheckBucketName(std::string_view name);
absl::Status CheckKey(std::string_view key);

}  // namespace fmserve::s3

#endif  // FMSERVE_S3_NAMES_H_
