#include "loader/token_bucket.h"

#include <gtest/gtest.h>

namespace fmserve::loader {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TokenBucket::Clock::time_point kStart{seconds(1000)};

TEST(TokenBucket, MakesWaitForAsLongAsTheBytesTakeAtTheLimit) {
  TokenBucket bucket(1000, kStart);
  EXPECT_EQ(bucket.Take(500, kStart), milliseconds(500));
  EXPECT_EQ(bucket.Take(500, kStart), milliseconds(1000)) << "who does not wait owes more";
  EXPECT_EQ(bucket.Take(100, kStart + seconds(1)), milliseconds(100));
}

TEST(TokenBucket, SavesUpALittle) {
  TokenBucket bucket(1000, kStart);
  EXPECT_EQ(bucket.Take(100, kStart + seconds(60)), milliseconds(0)) << "of the last 100 ms";
  EXPECT_EQ(bucket.Take(100, kStart + seconds(60)), milliseconds(100)) << "and no more";
}

TEST(TokenBucket, ALimitOfZeroIsNone) {
  TokenBucket bucket(0, kStart);
  EXPECT_EQ(bucket.Take(uint64_t{1} << 60, kStart), milliseconds(0));
}

}  // namespace
}  // namespace fmserve::loader
