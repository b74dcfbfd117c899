// What is expected of a version once it serves: its requests are counted beside those of the
// version before, and told apart when something is wrong with it. Pure functions. Why, and what
// else is watched: docs/decisions/0057-watch.md.
#ifndef FMSERVE_LOADER_WATCH_H_
#define FMSERVE_LOADER_WATCH_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "loader/gate_report.h"

namespace fmserve::loader {

struct WatchOptions {
  bool enabled = true;
  std::chrono::milliseconds window{600'000};
  uint32_t min_requests = 200;          // of each of the two versions; fewer tell nothing
  double max_error_increase = 0.05;     // of the share of requests that failed
  double max_non_finite_share = 0.001;  // of scores, above that of the version before
  double max_latency_ratio = 3.0;       // of the medians, when they differ by kMinLatencySeconds
};

// A median that is higher by less is nobody's concern.
inline constexpr double kMinLatencySeconds = 0.002;

inline constexpr size_t kMaxLatencyBuckets = 32;

// What was counted of one version's requests for predictions.
struct LiveCounts {
  uint64_t requests_count = 0;
  uint64_t errors_count = 0;  // of these, failed for a reason that is not the client's
  uint64_t scores_count = 0;
  uint64_t non_finite_count = 0;  // of these
  // By latency: bucket i holds those of at most bounds_s[i], and more than the bound before.
  std::array<uint64_t, kMaxLatencyBuckets> latency_buckets = {};
  std::array<double, kMaxLatencyBuckets> bounds_s = {};  // ascending; 0: beyond the last

  // What came on top of `earlier` counts of the same version.
  LiveCounts Since(const LiveCounts& earlier) const;
};

// Measures of the version that serves against those of the one before; kHeld: something is wrong.
// Errors and latency are judged when `settled`: for some seconds after a swap they tell more of the
// machine than of the version.
GateReport JudgeCounts(const WatchOptions& options, const LiveCounts& before,
                       const LiveCounts& serving, bool settled);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_WATCH_H_
