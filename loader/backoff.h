// When to try again after a passing failure.
#ifndef FMSERVE_LOADER_BACKOFF_H_
#define FMSERVE_LOADER_BACKOFF_H_

#include <chrono>
#include <cstdint>
#include <random>

namespace fmserve::loader {

// Exponential with jitter: the n-th delay is uniform in [d/2, d], d = min(cap, initial * 2^(n-1)),
// so that many servers do not return to a store in step. One thread.
class Backoff {
 public:
  Backoff(std::chrono::milliseconds initial, std::chrono::milliseconds cap, uint64_t seed);

  // The next delay, behind the time for which a store asked to be left alone.
  std::chrono::milliseconds Next(std::chrono::milliseconds asked = {});
  void Reset() { ceiling_ = initial_; }

 private:
  std::chrono::milliseconds initial_;
  std::chrono::milliseconds cap_;
  std::chrono::milliseconds ceiling_;
  std::mt19937_64 random_;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_BACKOFF_H_
