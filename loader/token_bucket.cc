#include "loader/token_bucket.h"

#include <algorithm>

namespace fmserve::loader {

TokenBucket::Clock::duration TokenBucket::Take(uint64_t bytes, Clock::time_point now) {
  if (bytes_per_s_ <= 0) return Clock::duration::zero();
  const std::chrono::duration<double> cost(static_cast<double>(bytes) / bytes_per_s_);
  paid_until_ = std::max<Clock::time_point>(paid_until_, now - kMaxSaved) +
                std::chrono::duration_cast<Clock::duration>(cost);
  return std::max(paid_until_ - now, Clock::duration::zero());
}

}  // namespace fmserve::loader
