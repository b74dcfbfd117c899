#include "loader/watch.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace fmserve::loader {
namespace {

double Share(uint64_t part, uint64_t all) {
  return all == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(all);
}

// The upper bound of the bucket in which the median lies; of the last, its lower one.
double MedianSeconds(const LiveCounts& counts) {
  uint64_t all = 0;
  for (const uint64_t count : counts.latency_buckets) all += count;
  uint64_t below = 0;
  double bound_s = 0.0;
  for (size_t i = 0; i < counts.latency_buckets.size(); ++i) {
    bound_s = std::max(bound_s, counts.bounds_s[i]);
    below += counts.latency_buckets[i];
    if (2 * below >= all) break;
  }
  return bound_s;
}

Measure NonFinite(const WatchOptions& options, const LiveCounts& before,
                  const LiveCounts& serving) {
  const double share_before = Share(before.non_finite_count, before.scores_count);
  const double share = Share(serving.non_finite_count, serving.scores_count);
  return {.name = "live_non_finite",
          .serving = share_before,
          .candidate = share,
          .value = share - share_before,
          .at_most = options.max_non_finite_share};
}

Measure Errors(const WatchOptions& options, const LiveCounts& before, const LiveCounts& serving) {
  const double share_before = Share(before.errors_count, before.requests_count);
  const double share = Share(serving.errors_count, serving.requests_count);
  return {.name = "live_errors",
          .serving = share_before,
          .candidate = share,
          .value = share - share_before,
          .at_most = options.max_error_increase};
}

Measure Latency(const WatchOptions& options, const LiveCounts& before, const LiveCounts& serving) {
  const double median_before_s = MedianSeconds(before);
  const double median_s = MedianSeconds(serving);
  Measure measure{.name = "live_latency",
                  .serving = median_before_s,
                  .candidate = median_s,
                  .value = median_before_s > 0.0 ? median_s / median_before_s : 1.0};
  if (median_s - median_before_s >= kMinLatencySeconds) measure.at_most = options.max_latency_ratio;
  return measure;
}

}  // namespace

LiveCounts LiveCounts::Since(const LiveCounts& earlier) const {
  LiveCounts since = *this;
  since.requests_count -= std::min(requests_count, earlier.requests_count);
  since.errors_count -= std::min(errors_count, earlier.errors_count);
  since.scores_count -= std::min(scores_count, earlier.scores_count);
  since.non_finite_count -= std::min(non_finite_count, earlier.non_finite_count);
  for (size_t i = 0; i < latency_buckets.size(); ++i)
    since.latency_buckets[i] -= std::min(latency_buckets[i], earlier.latency_buckets[i]);
  return since;
}

GateReport JudgeCounts(const WatchOptions& options, const LiveCounts& before,
                       const LiveCounts& serving, bool settled) {
  GateReport report{.requests_count = serving.requests_count,
                    .failed_requests_count = serving.errors_count,
                    .candidates_count = serving.scores_count};
  if (serving.requests_count < options.min_requests) {
    report.verdict = GateReport::Verdict::kTooFewRequests;
    report.detail = absl::StrCat(serving.requests_count, " requests are too few to judge it by; ",
                                 options.min_requests, " are wanted");
    return report;
  }
  AddMeasure(NonFinite(options, before, serving), report);
  if (settled && before.requests_count >= options.min_requests) {
    AddMeasure(Errors(options, before, serving), report);
    AddMeasure(Latency(options, before, serving), report);
  }
  report.verdict =
      report.detail.empty() ? GateReport::Verdict::kPassed : GateReport::Verdict::kHeld;
  return report;
}

}  // namespace fmserve::loader
