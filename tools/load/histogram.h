// Counts latencies with a bounded relative error, in constant memory: the log-linear buckets of
// HdrHistogram (Gil Tene).
#ifndef FMSERVE_TOOLS_LOAD_HISTOGRAM_H_
#define FMSERVE_TOOLS_LOAD_HISTOGRAM_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fmserve::tools {

// One thread at a time.
class LatencyHistogram {
 public:
  LatencyHistogram();

  // Negative values count as 0, values above kMaxUs as kMaxUs.
  void Record(int64_t latency_us);
  void Merge(const LatencyHistogram& other);

  uint64_t count() const { return count_; }
  int64_t max_us() const { return max_us_; }  // exact; 0 when nothing was recorded

  // The smallest recorded value that at least `quantile` of all values do not exceed, 0 <= quantile
  // <= 1; rounded up by less than 0.8 %, never above max_us(). 0 when nothing was recorded.
  int64_t Quantile(double quantile) const;

  static constexpr int64_t kMaxUs = int64_t{1} << 40;

 private:
  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  int64_t max_us_ = 0;
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_LOAD_HISTOGRAM_H_
