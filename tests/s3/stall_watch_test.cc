#include "s3/stall_watch.h"

#include <gtest/gtest.h>

namespace fmserve::s3 {
namespace {

using std::chrono::milliseconds;

constexpr StallLimit kLimit{.bytes_per_second = 100, .seconds = 3};

TEST(StallWatchTest, SilenceStallsWhenTheLimitIsReached) {
  StallWatch watch(kLimit, milliseconds(500));
  for (int ms = 550; ms < 3500; ms += 50) EXPECT_FALSE(watch.Stalled(0, milliseconds(ms))) << ms;
  EXPECT_TRUE(watch.Stalled(0, milliseconds(3500)));
}

TEST(StallWatchTest, SlowIsAsGoodAsSilent) {
  StallWatch watch(kLimit, milliseconds(0));
  uint64_t bytes = 0;
  int ms = 0;
  while (!watch.Stalled(bytes, milliseconds(ms)) && ms < 60'000) {
    ms += 100;
    bytes += 9;  // 90 bytes/s
  }
  EXPECT_EQ(ms, 3000);
}

TEST(StallWatchTest, JustFastEnoughNeverStalls) {
  StallWatch watch(kLimit, milliseconds(0));
  uint64_t bytes = 0;
  for (int ms = 0; ms < 60'000; ms += 100, bytes += 11) {
    ASSERT_FALSE(watch.Stalled(bytes, milliseconds(ms))) << ms;
  }
}

TEST(StallWatchTest, ABurstStartsThePatienceAnew) {
  StallWatch watch(kLimit, milliseconds(0));
  EXPECT_FALSE(watch.Stalled(0, milliseconds(2900)));
  EXPECT_FALSE(watch.Stalled(100, milliseconds(2950)));
  EXPECT_FALSE(watch.Stalled(100, milliseconds(5900)));
  EXPECT_TRUE(watch.Stalled(100, milliseconds(5950)));
}

}  // namespace
}  // namespace fmserve::s3
