// What the library reads of its surroundings; tests bring their own.
#ifndef FMSERVE_S3_ENVIRONMENT_H_
#define FMSERVE_S3_ENVIRONMENT_H_

#include <functional>
#include <string>

#include "absl/time/time.h"

namespace fmserve::s3 {

// Both functions are called from any thread.
struct Environment {
  // The value of an environment variable; empty when it is unset.
  std::function<std::string(const std::string& name)> variable{};
  std::function<absl::Time()> now{};
};

// That of this process.
Environment ProcessEnvironment();

}  // namespace fmserve::s3

#endif  // FMSERVE_S3_ENVIRONMENT_H_
