// Small files of the outside: credentials, tokens.
#ifndef FMSERVE_S3_FILES_H_
#define FMSERVE_S3_FILES_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace fmserve::s3 {

// The whole content. NotFound when there is no such file, PermissionDenied when it may not be read,
// FailedPrecondition when it is longer than `max_bytes` or no regular file (never waits for a named
// pipe). Messages name the path, never the content.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes);

}  // namespace fmserve::s3

#endif  // FMSERVE_S3_FILES_H_
