#include "server/request_budget.h"

#include <algorithm>

namespace fmserve::server {
namespace {

class SteadyClock : public Clock {
 public:
  TimePoint Now() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace

const Clock& SystemClock() {
  static const SteadyClock clock;
  return clock;
}

RequestBudget RequestBudget::Start(const Clock& clock, Clock::TimePoint start,
                                   std::chrono::nanoseconds model_time,
                                   std::chrono::nanoseconds asked_time,
                                   std::chrono::nanoseconds client_time) {
  std::chrono::nanoseconds time = std::min(model_time, client_time);
  if (asked_time.count() > 0) time = std::min(time, asked_time);
  return {clock, start, start + time};
}

}  // namespace fmserve::server
