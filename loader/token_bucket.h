// A limit on bytes per second.
#ifndef FMSERVE_LOADER_TOKEN_BUCKET_H_
#define FMSERVE_LOADER_TOKEN_BUCKET_H_

#include <chrono>
#include <cstdint>

namespace fmserve::loader {

// Pure: the caller brings the clock and does the waiting. One thread.
class TokenBucket {
 public:
  using Clock = std::chrono::steady_clock;

  // What was not used is saved up for so long at most.
  static constexpr std::chrono::milliseconds kMaxSaved{100};

  // `bytes_per_s` of 0: no limit.
  TokenBucket(uint64_t bytes_per_s, Clock::time_point now)
      : bytes_per_s_(static_cast<double>(bytes_per_s)), paid_until_(now) {}

  // `bytes` have passed; returns how long to wait before the next ones may.
  Clock::duration Take(uint64_t bytes, Clock::time_point now);

 private:
  const double bytes_per_s_;
  Clock::time_point paid_until_;  // when all that passed would have at the limit
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_TOKEN_BUCKET_H_
