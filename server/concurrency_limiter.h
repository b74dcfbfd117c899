// How many requests may be under way at once, so that those that are let in are answered in time.
//
// A request waits for those before it, so a limit of their number is a limit of the wait. The right
// one depends on what requests cost, which nobody knows beforehand; it is found as TCP finds its
// window, by additive increase and multiplicative decrease (AIMD; Chiu and Jain, "Analysis of the
// increase and decrease algorithms for congestion avoidance in computer networks", 1989; as a
// server's limit: AIMDLimit of github.com/Netflix/concurrency-limits). Sign of congestion is a wait
// above a fixed share of the budget in a queue that stands: for a while nobody waited less, or
// someone was refused (CoDel; Nichols and Jacobson, "Controlling queue delay", 2012, RFC 8289). A
// burst that drains by itself is none. docs/decisions/0034 says why not a gradient.
#ifndef FMSERVE_SERVER_CONCURRENCY_LIMITER_H_
#define FMSERVE_SERVER_CONCURRENCY_LIMITER_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "server/request_budget.h"

namespace fmserve::server {

struct LimiterOptions {
  size_t threads = 1;           // that work at once, at least 1: the limit is never below
  size_t max_in_flight = 1000;  // nor above this, where it begins
  uint64_t max_bytes_in_flight = uint64_t{256} << 20;
  bool adaptive = true;  // false: the limit is max_in_flight
};

enum class Admission : uint8_t {
  kAdmitted,
  kOverLimit,  // as many, or as many bytes, are under way as may be
  kTooLate,    // those before it take all the time that it has
};

// When an admitted request came, when work for it began, and when it ended: `started` again if none
// was done.
struct FinishedRequest {
  Clock::TimePoint arrival = {};
  Clock::TimePoint started = {};
  Clock::TimePoint ended = {};
  std::chrono::nanoseconds budget{};  // of its model: what the operator wants to be kept
  uint64_t bytes = 0;                 // as at the door
};

// Safe from any thread: a few atomic operations without locks or allocations. Reads no clock: time
// comes in with the arguments.
class ConcurrencyLimiter {
 public:
  explicit ConcurrencyLimiter(const LimiterOptions& options);

  // At the door, with the time that the request has from now on, and its size. Who is admitted
  // counts as in flight until Finish, which is called exactly once. A request larger than
  // max_bytes_in_flight is admitted when it is alone.
  Admission Admit(std::chrono::nanoseconds time_left, uint64_t bytes);
  void Finish(const FinishedRequest& request);

  size_t limit() const { return static_cast<size_t>(limit_.load(std::memory_order_relaxed)); }
  size_t in_flight() const { return in_flight_.load(std::memory_order_relaxed); }

 private:
  std::chrono::nanoseconds ExpectedWait(size_t in_flight) const;
  void Adapt(const FinishedRequest& request);
  void NoteWait(const FinishedRequest& request, double wait_share);

  const LimiterOptions options_;
  std::atomic<size_t> in_flight_{0};
  std::atomic<uint64_t> bytes_in_flight_{0};
  std::atomic<double> limit_;
  std::atomic<int64_t> last_decrease_ns_;  // of the clock
  std::atomic<int64_t> interval_end_ns_{0};
  std::atomic<double> least_wait_share_;  // of the budget, of who ended in this interval
  std::atomic<bool> refused_{false};      // someone, by the limit, in this interval
  std::atomic<bool> congested_{false};    // the interval before it
  std::atomic<int64_t> mean_work_ns_{0};  // per request, over the last 16 or so
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_CONCURRENCY_LIMITER_H_
