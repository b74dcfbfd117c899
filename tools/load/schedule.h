// When an open-loop load generator sends: fixed by rate and seed before the run, whatever the
// server does.
#ifndef FMSERVE_TOOLS_LOAD_SCHEDULE_H_
#define FMSERVE_TOOLS_LOAD_SCHEDULE_H_

#include <chrono>
#include <cstdint>
#include <random>

namespace fmserve::tools {

enum class Arrivals : uint8_t {
  kPoisson,  // exponential gaps: independent users, bursts included
  kUniform,  // equal gaps
};

// One thread.
class SendSchedule {
 public:
  // rate_per_s > 0.
  SendSchedule(double rate_per_s, Arrivals arrivals, uint64_t seed);

  // Time of the next send, from the beginning of the run; never earlier than the one before.
  std::chrono::nanoseconds Next();

 private:
  double rate_per_s_;
  Arrivals arrivals_;
  std::mt19937_64 random_;
  double time_s_ = 0.0;
  uint64_t sent_ = 0;
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_LOAD_SCHEDULE_H_
