// The time that one request has. Whoever works for it asks between pieces of work whether there is
// any left.
#ifndef FMSERVE_SERVER_REQUEST_BUDGET_H_
#define FMSERVE_SERVER_REQUEST_BUDGET_H_

#include <chrono>

namespace fmserve::server {

class Clock {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  virtual ~Clock() = default;
  virtual TimePoint Now() const = 0;
};

// The process's clock. Safe from any thread.
const Clock& SystemClock();

// Immutable; as safe from threads as its clock.
class RequestBudget {
 public:
  // `clock` must outlive the budget.
  RequestBudget(const Clock& clock, Clock::TimePoint start, Clock::TimePoint deadline)
      : clock_(clock), start_(start), deadline_(deadline) {}

  // From `start` on: the smallest of the model's time, what the client asked for (0: nothing) and
  // what its gRPC deadline left then.
  static RequestBudget Start(const Clock& clock, Clock::TimePoint start,
                             std::chrono::nanoseconds model_time,
                             std::chrono::nanoseconds asked_time,
                             std::chrono::nanoseconds client_time);

  bool Exhausted() const { return clock_.Now() >= deadline_; }
  std::chrono::nanoseconds Elapsed() const { return clock_.Now() - start_; }
  std::chrono::nanoseconds Total() const { return deadline_ - start_; }

 private:
  const Clock& clock_;
  Clock::TimePoint start_;
  Clock::TimePoint deadline_;
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_REQUEST_BUDGET_H_
