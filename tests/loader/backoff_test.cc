#include "loader/backoff.h"

#include <gtest/gtest.h>

#include <set>

namespace fmserve::loader {
namespace {

using std::chrono::milliseconds;

TEST(Backoff, DoublesUpToTheCapWithinItsJitter) {
  Backoff backoff(milliseconds(100), milliseconds(1000), 1);
  for (const int ceiling_ms : {100, 200, 400, 800, 1000, 1000, 1000}) {
    const milliseconds delay = backoff.Next();
    EXPECT_GE(delay, milliseconds(ceiling_ms / 2));
    EXPECT_LE(delay, milliseconds(ceiling_ms));
  }
}

TEST(Backoff, NeverPassesTheCapNorOverflows) {
  Backoff backoff(milliseconds(1), std::chrono::hours(1), 1);
  for (int i = 0; i < 1000; ++i) EXPECT_LE(backoff.Next(), std::chrono::hours(1));
}

TEST(Backoff, LeavesAStoreAloneForAsLongAsItAsks) {
  Backoff backoff(milliseconds(100), milliseconds(1000), 1);
  const milliseconds delay = backoff.Next(milliseconds(30000));
  EXPECT_GE(delay, milliseconds(30050)) << "and not all servers come back at once";
  EXPECT_LE(delay, milliseconds(30100));
}

TEST(Backoff, BeginsAgainAfterReset) {
  Backoff backoff(milliseconds(100), milliseconds(10000), 1);
  for (int i = 0; i < 5; ++i) backoff.Next();
  backoff.Reset();
  EXPECT_LE(backoff.Next(), milliseconds(100));
}

TEST(Backoff, ServersDoNotReturnInStep) {
  std::set<milliseconds> delays;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    delays.insert(Backoff(milliseconds(10000), milliseconds(10000), seed).Next());
  }
  EXPECT_GT(delays.size(), 10U);
}

}  // namespace
}  // namespace fmserve::loader
