// Requests that were turned away unread.
#ifndef FMSERVE_SERVER_REFUSALS_H_
#define FMSERVE_SERVER_REFUSALS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "server/scoring_threads.h"

namespace fmserve::server {

enum class Refusal : uint8_t {
  kLimit,     // as many were under way as may be
  kDeadline,  // those before it would have taken all its time
  kExpired,   // let in, but its time was over, or its client gone, when its turn came
};
inline constexpr size_t kRefusalsCount = 3;

using RefusalCounts = std::array<std::array<uint64_t, kRefusalsCount>, kCallKindsCount>;

// Safe from any thread.
class RefusalCounters {
 public:
  void Count(CallKind kind, Refusal why) {
    counters_[static_cast<size_t>(kind)][static_cast<size_t>(why)].fetch_add(
        1, std::memory_order_relaxed);
  }

  RefusalCounts Counts() const {
    RefusalCounts counts;
    for (size_t kind = 0; kind < kCallKindsCount; ++kind) {
      for (size_t why = 0; why < kRefusalsCount; ++why)
        counts[kind][why] = counters_[kind][why].load(std::memory_order_relaxed);
    }
    return counts;
  }

 private:
  std::array<std::array<std::atomic<uint64_t>, kRefusalsCount>, kCallKindsCount> counters_ = {};
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_REFUSALS_H_
