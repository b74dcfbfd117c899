#include "server/log.h"

#include <gtest/gtest.h>

#include <chrono>

namespace fmserve::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;

constexpr auto kTime = system_clock::time_point(std::chrono::microseconds(1790000000123456));

TEST(LogTest, LineIsOneJsonObjectInTheOrderOfItsFields) {
  EXPECT_EQ(FormatLogLine(kTime, LogLevel::kInfo, "version_published",
                          {{"model", "ctr"}, {"version", 7}, {"took_ms", 1.5}}),
            "{\"time\":\"2026-09-21T14:13:20.123456Z\",\"level\":\"info\",\"event\":\"version_"
            "published\","
            "\"model\":\"ctr\",\"version\":7,\"took_ms\":1.5}\n");
}

TEST(LogTest, TextCannotBreakOutOfItsLine) {
  const std::string line =
      FormatLogLine(kTime, LogLevel::kError, "x", {{"text", "a\"\n\x01\xff\\"}});
  EXPECT_NE(line.find(R"("text":"a\"\n\u0001)"), std::string::npos) << line;
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(LogLimiterTest, LetsABurstThroughThenCountsWhatItHoldsBack) {
  LogLimiter limiter(2.0);
  auto now = std::chrono::steady_clock::time_point(std::chrono::hours(1));
  uint64_t suppressed = 99;
  EXPECT_TRUE(limiter.Allow(now, &suppressed));
  EXPECT_EQ(suppressed, 0U);
  EXPECT_TRUE(limiter.Allow(now, &suppressed));
  EXPECT_FALSE(limiter.Allow(now, &suppressed));
  now += milliseconds(400);
  EXPECT_FALSE(limiter.Allow(now, &suppressed));
  now += milliseconds(101);
  EXPECT_TRUE(limiter.Allow(now, &suppressed));
  EXPECT_EQ(suppressed, 2U);
}

}  // namespace
}  // namespace fmserve::server
