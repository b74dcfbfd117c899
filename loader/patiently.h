// Trying again what failed for a passing reason.
#ifndef FMSERVE_LOADER_PATIENTLY_H_
#define FMSERVE_LOADER_PATIENTLY_H_

#include <chrono>
#include <thread>

#include "absl/status/status.h"

namespace fmserve::loader {

// What `call`, which returns a StatusOr, comes to: tried up to five times, within 3 s, while it is
// Unavailable or DeadlineExceeded. It must be one that may have had its effect although it failed.
template <typename Call>
auto Patiently(Call call) {
  constexpr int kAttempts = 5;
  std::chrono::milliseconds delay{200};  // twice as long before each further attempt
  for (int attempt = 1;; ++attempt, delay *= 2) {
    auto result = call();
    const bool passing =
        absl::IsUnavailable(result.status()) || absl::IsDeadlineExceeded(result.status());
    if (!passing || attempt == kAttempts) return result;
    std::this_thread::sleep_for(delay);
  }
}

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_PATIENTLY_H_
