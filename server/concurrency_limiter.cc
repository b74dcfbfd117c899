#include "server/concurrency_limiter.h"

#include <algorithm>
#include <limits>

namespace fmserve::server {
namespace {

// The wait in a queue that stands may take this share of the budget.
constexpr double kStandingShare = 0.25;

// And the wait in one that is there for a moment this one; the rest is for the work itself, for
// gRPC and the network, and for what the scheduler does meanwhile.
constexpr double kLongestShare = 0.75;

// A queue stands when nobody waited less for so many budgets.
constexpr int kIntervalBudgets = 3;

// A wait that is too long by much tells how much: the limit follows at once, but never by more than
// half, and by a tenth at least.
constexpr double kStrongestDecrease = 0.5;
constexpr double kWeakestDecrease = 0.9;

constexpr double kNobodyEnded = std::numeric_limits<double>::infinity();
constexpr int64_t kMeanOfRequests = 16;

int64_t Nanoseconds(Clock::TimePoint time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

}  // namespace

ConcurrencyLimiter::ConcurrencyLimiter(const LimiterOptions& options)
    : options_(options),
      limit_(static_cast<double>(options.max_in_flight)),
      last_decrease_ns_(std::numeric_limits<int64_t>::min()),
      least_wait_share_(kNobodyEnded) {}

Admission ConcurrencyLimiter::Admit(std::chrono::nanoseconds time_left, uint64_t bytes) {
  const size_t most = limit();
  size_t before = in_flight_.load(std::memory_order_relaxed);
  do {
    if (before >= most) {
      refused_.store(true, std::memory_order_relaxed);
      return Admission::kOverLimit;
    }
    if (time_left * kLongestShare <= ExpectedWait(before)) return Admission::kTooLate;
  } while (!in_flight_.compare_exchange_weak(before, before + 1, std::memory_order_relaxed));
  const uint64_t bytes_before = bytes_in_flight_.fetch_add(bytes, std::memory_order_relaxed);
  if (bytes_before == 0 || bytes_before + bytes <= options_.max_bytes_in_flight)
    return Admission::kAdmitted;
  bytes_in_flight_.fetch_sub(bytes, std::memory_order_relaxed);
  in_flight_.fetch_sub(1, std::memory_order_relaxed);
  return Admission::kOverLimit;
}

// Until a thread is free for one more.
std::chrono::nanoseconds ConcurrencyLimiter::ExpectedWait(size_t in_flight) const {
  if (in_flight < options_.threads) return std::chrono::nanoseconds(0);
  const auto before_it = static_cast<int64_t>(in_flight - options_.threads);
  return std::chrono::nanoseconds(before_it * mean_work_ns_.load(std::memory_order_relaxed) /
                                  static_cast<int64_t>(options_.threads));
}

// Two threads that change the same number at the same moment may lose one of the changes: both are
// estimates.
void ConcurrencyLimiter::Finish(const FinishedRequest& request) {
  in_flight_.fetch_sub(1, std::memory_order_relaxed);
  bytes_in_flight_.fetch_sub(request.bytes, std::memory_order_relaxed);
  if (request.ended > request.started) {
    // One whose thread was put aside for long must not make all others look as slow: twice the mean
    // is the most that counts. Requests that become dearer are followed all the same, in tens of
    // them.
    const int64_t mean_ns = mean_work_ns_.load(std::memory_order_relaxed);
    const int64_t work_ns = (request.ended - request.started) / std::chrono::nanoseconds(1);
    const int64_t next_ns =
        mean_ns == 0 ? work_ns
                     : mean_ns + (std::min(work_ns, 2 * mean_ns) - mean_ns) / kMeanOfRequests;
    mean_work_ns_.store(next_ns, std::memory_order_relaxed);
  }
  if (options_.adaptive) Adapt(request);
}

void ConcurrencyLimiter::Adapt(const FinishedRequest& request) {
  const std::chrono::duration<double> wait = request.started - request.arrival;
  const double share = wait / request.budget;
  NoteWait(request, share);
  const double limit = limit_.load(std::memory_order_relaxed);
  if (share <= kStandingShare) {
    // By one for as many requests as the limit lets in at once. Also while it is not in use: one
    // that was lowered must not refuse the next burst of a server that has little to do, and one
    // that is too high lasts for an interval, in which who comes too late is turned away all the
    // same.
    limit_.store(std::min(static_cast<double>(options_.max_in_flight), limit + 1.0 / limit),
                 std::memory_order_relaxed);
    return;
  }
  // Who came before the last decrease was let in by the limit before it, and says nothing of this
  // one.
  int64_t last_ns = last_decrease_ns_.load(std::memory_order_relaxed);
  if (!congested_.load(std::memory_order_relaxed) || Nanoseconds(request.arrival) < last_ns) return;
  if (!last_decrease_ns_.compare_exchange_strong(last_ns, Nanoseconds(request.ended),
                                                 std::memory_order_relaxed)) {
    return;
  }
  // A limit that nobody came near has not made this queue: those that are under way have.
  const double most = std::min(limit, static_cast<double>(in_flight() + 1));
  const double factor = std::clamp(kStandingShare / share, kStrongestDecrease, kWeakestDecrease);
  const auto fewest = static_cast<double>(std::min(options_.threads, options_.max_in_flight));
  limit_.store(std::max(fewest, most * factor), std::memory_order_relaxed);
}

// Whoever is the first to see that the interval is over decides what it was.
void ConcurrencyLimiter::NoteWait(const FinishedRequest& request, double wait_share) {
  double least = least_wait_share_.load(std::memory_order_relaxed);
  while (wait_share < least &&
         !least_wait_share_.compare_exchange_weak(least, wait_share, std::memory_order_relaxed)) {
  }
  const int64_t now_ns = Nanoseconds(request.ended);
  const int64_t interval_ns = request.budget / std::chrono::nanoseconds(1) * kIntervalBudgets;
  int64_t end_ns = interval_end_ns_.load(std::memory_order_relaxed);
  if (now_ns < end_ns || !interval_end_ns_.compare_exchange_strong(end_ns, now_ns + interval_ns,
                                                                   std::memory_order_relaxed)) {
    return;
  }
  least = least_wait_share_.exchange(kNobodyEnded, std::memory_order_relaxed);
  const bool stood = least > kStandingShare && now_ns < end_ns + interval_ns;  // else it was quiet
  const bool refused = refused_.exchange(false, std::memory_order_relaxed);
  congested_.store(stood || refused, std::memory_order_relaxed);
}

}  // namespace fmserve::server
