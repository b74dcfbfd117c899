#include "tools/load/schedule.h"

namespace fmserve::tools {

SendSchedule::SendSchedule(double rate_per_s, Arrivals arrivals, uint64_t seed)
    : rate_per_s_(rate_per_s), arrivals_(arrivals), random_(seed) {}

std::chrono::nanoseconds SendSchedule::Next() {
  ++sent_;
  if (arrivals_ == Arrivals::kUniform) {
    time_s_ = static_cast<double>(sent_) / rate_per_s_;
  } else {
    time_s_ += std::exponential_distribution<double>(rate_per_s_)(random_);
  }
  return std::chrono::nanoseconds(static_cast<int64_t>(time_s_ * 1e9));
}

}  // namespace fmserve::tools
