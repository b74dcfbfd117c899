// Notices a transfer that no longer gets on.
#ifndef FMSERVE_S3_STALL_WATCH_H_
#define FMSERVE_S3_STALL_WATCH_H_

#include <chrono>
#include <cstdint>

namespace fmserve::s3 {

struct StallLimit {
  int bytes_per_second = 1'000;  // at least 1
  int seconds = 30;              // at least 1
};

// One thread. `now` is any clock that only runs forwards; the time that the taker of the bytes
// needs is to be left out of it.
class StallWatch {
 public:
  using Time = std::chrono::nanoseconds;

  StallWatch(const StallLimit& limit, Time now) : limit_(limit), begun_(now), good_(now) {}

  // `bytes`: moved since the beginning, in both directions. True when each second of the last
  // `limit.seconds` moved fewer than `limit.bytes_per_second`.
  bool Stalled(uint64_t bytes, Time now);

 private:
  const StallLimit limit_;
  Time begun_;          // of the second that is counted
  Time good_;           // end of the last second that moved enough
  uint64_t bytes_ = 0;  // when it began
};

}  // namespace fmserve::s3

#endif  // FMSERVE_S3_STALL_WATCH_H_
