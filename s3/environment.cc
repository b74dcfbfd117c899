#include "s3/environment.h"

#include <cstdlib>

#include "absl/time/clock.h"

namespace fmserve::s3 {

Environment ProcessEnvironment() {
  return {.variable =
              [](const std::string& name) {
                const char* const value = std::getenv(name.c_str());
                return std::string(value == nullptr ? "" : value);
              },
          .now = [] { return absl::Now(); }};
}

}  // namespace fmserve::s3
