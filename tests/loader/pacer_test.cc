#include "loader/pacer.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <ctime>
#include <thread>

namespace fmserve::loader {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

// What this thread has spent on a processor.
nanoseconds ProcessorTime() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

// Works like an operation with checkpoints every 20 us until it has worked for `work`. Returns the
// time that passed meanwhile.
nanoseconds Work(Pacer& pacer, nanoseconds work) {
  const steady_clock::time_point begin = steady_clock::now();
  const nanoseconds end = ProcessorTime() + work;
  nanoseconds next_step = ProcessorTime();
  while (ProcessorTime() < end) {
    if (ProcessorTime() < next_step) continue;
    EXPECT_TRUE(pacer.Step().ok());
    next_step = ProcessorTime() + std::chrono::microseconds(20);
  }
  return steady_clock::now() - begin;
}

TEST(Pacer, LeavesTwoThirdsOfTheTimeToOthers) {
  Pacer pacer({});
  const nanoseconds work = 40 * Pacer::kSlice;
  EXPECT_GE(Work(pacer, work), work * 14 / 5);
}

// How often this thread has given its processor up.
long Rests() {
  rusage usage = {};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

TEST(Pacer, DoesNotRestForTimeInWhichTheThreadDidNotWork) {
  Pacer pacer({});
  std::this_thread::sleep_for(4 * Pacer::kSlice);
  const long rests = Rests();
  EXPECT_TRUE(pacer.Step().ok());
  EXPECT_EQ(Rests(), rests);
}

TEST(Pacer, SaysWhenTheWorkIsToStop) {
  std::stop_source stop;
  Pacer pacer(stop.get_token());
  EXPECT_TRUE(pacer.Step().ok());
  stop.request_stop();
  EXPECT_TRUE(absl::IsCancelled(pacer.Step()));
}

}  // namespace
}  // namespace fmserve::loader
