#include "server/concurrency_limiter.h"

#include <algorithm>
#include <limits>

namespace fmserve::server {
namespace {

// The wait may take this share of the budget; the rest is for the work itself, for gRPC and the
// network, and for what the scheduler does meanwhile.
constexpr double kWaitShare = 0.25;

// A wait that is too long by much tells how much: the limit follows at once, but never by more than
// half, and by a tenth at least.
constexpr double kStrongestDecrease = 0.5;
constexpr double kWeakestDecrease = 0.9;

constexpr int64_t kMeanOfRequests = 16;

int64_t Nanoseconds(Clock::TimePoint time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

}  // namespace

ConcurrencyLimiter::ConcurrencyLimiter(const LimiterOptions& options)
    : options_(options),
      limit_(static_cast<double>(options.max_in_flight)),
      last_decrease_ns_(std::numeric_limits<int64_t>::min()) {}

Admission ConcurrencyLimiter::Admit(std::chrono::nanoseconds time_left, uint64_t bytes) {
  const size_t most = limit();
  size_t before = in_flight_.load(std::memory_order_relaxed);
  do {
    if (before >= most) return Admission::kOverLimit;
    if (time_left <= ExpectedWait(before)) return Admission::kTooLate;
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
  const double limit = limit_.load(std::memory_order_relaxed);
  const std::chrono::duration<double, std::nano> wait = request.started - request.arrival;
  const std::chrono::duration<double, std::nano> most = request.budget * kWaitShare;
  if (wait > most) {
    // Who came before the last decrease was let in by the limit before it, and says nothing of this
    // one.
    int64_t last_ns = last_decrease_ns_.load(std::memory_order_relaxed);
    if (Nanoseconds(request.arrival) < last_ns) return;
    const int64_t now_ns = Nanoseconds(request.ended);
    if (!last_decrease_ns_.compare_exchange_strong(last_ns, now_ns, std::memory_order_relaxed))
      return;
    const double factor = std::clamp(most / wait, kStrongestDecrease, kWeakestDecrease);
    const auto least = static_cast<double>(std::min(options_.threads, options_.max_in_flight));
    limit_.store(std::max(least, limit * factor), std::memory_order_relaxed);
  } else {
    // By one for as many requests as the limit lets in at once. Also while it is not in use: one
    // that a short standstill has lowered must not refuse the next burst of a server that has
    // little to do, and one that is too high lasts for a few budgets, in which who comes too late
    // is turned away all the same.
    limit_.store(std::min(static_cast<double>(options_.max_in_flight), limit + 1.0 / limit),
                 std::memory_order_relaxed);
  }
}

}  // namespace fmserve::server
