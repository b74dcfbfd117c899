#ifndef FMSERVE_TESTS_SERVER_FAKE_CLOCK_H_
#define FMSERVE_TESTS_SERVER_FAKE_CLOCK_H_

#include <chrono>

#include "server/request_budget.h"

namespace fmserve::server {

// Time passes by itself: each look at it takes `step`.
class FakeClock : public Clock {
 public:
  explicit FakeClock(std::chrono::nanoseconds step) : step_(step) {}
  TimePoint Now() const override { return now_ += step_; }

 private:
  std::chrono::nanoseconds step_;
  mutable TimePoint now_{};
};

}  // namespace fmserve::server

#endif  // FMSERVE_TESTS_SERVER_FAKE_CLOCK_H_
