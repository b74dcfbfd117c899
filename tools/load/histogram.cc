#include "tools/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace fmserve::tools {
namespace {

// Values below 2 * kSteps have a bucket each; every octave above them is cut into kSteps buckets of
// equal width.
constexpr int kStepBits = 7;
constexpr uint64_t kSteps = uint64_t{1} << kStepBits;

size_t BucketOf(uint64_t value) {
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - (kStepBits + 1));
  return static_cast<size_t>(shift) * kSteps + (value >> shift);
}

int64_t LargestIn(size_t bucket) {
  if (bucket < 2 * kSteps) return static_cast<int64_t>(bucket);
  const size_t shift = bucket / kSteps - 1;
  const uint64_t step = bucket - shift * kSteps;
  return static_cast<int64_t>(((step + 1) << shift) - 1);
}

}  // namespace

LatencyHistogram::LatencyHistogram() : counts_(BucketOf(kMaxUs) + 1) {}

void LatencyHistogram::Record(int64_t latency_us) {
  const int64_t value = std::clamp<int64_t>(latency_us, 0, kMaxUs);
  ++counts_[BucketOf(static_cast<uint64_t>(value))];
  ++count_;
  max_us_ = std::max(max_us_, value);
}

void LatencyHistogram::Merge(const LatencyHistogram& other) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_us_ = std::max(max_us_, other.max_us_);
}

int64_t LatencyHistogram::Quantile(double quantile) const {
  const double wanted = std::ceil(std::clamp(quantile, 0.0, 1.0) * static_cast<double>(count_));
  const uint64_t rank = std::max<uint64_t>(1, static_cast<uint64_t>(wanted));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    seen += counts_[bucket];
    if (seen >= rank) return std::min(LargestIn(bucket), max_us_);
  }
  return 0;
}

}  // namespace fmserve::tools
