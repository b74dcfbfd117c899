#include "loader/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fmserve::loader {
namespace {

using ::testing::HasSubstr;
using Verdict = GateReport::Verdict;

constexpr WatchOptions kOptions{.min_requests = 100};

// 1,000 requests of 10 scores each, all good and answered within a millisecond.
LiveCounts Healthy() {
  LiveCounts counts{.requests_count = 1000, .scores_count = 10'000};
  counts.bounds_s[0] = 0.001;
  counts.bounds_s[1] = 0.002;
  counts.bounds_s[2] = 0.005;
  counts.bounds_s[3] = 0.01;
  counts.latency_buckets[0] = 1000;
  return counts;
}

TEST(Watch, PassesWhatDoesAsTheVersionBefore) {
  const GateReport report = JudgeCounts(kOptions, Healthy(), Healthy(), /*settled=*/true);
  EXPECT_EQ(report.verdict, Verdict::kPassed);
  EXPECT_EQ(report.measures.size(), 3U);
  EXPECT_EQ(report.requests_count, 1000U);
}

TEST(Watch, SaysNothingByTooFewRequests) {
  LiveCounts few = Healthy();
  few.requests_count = 99;
  few.non_finite_count = 990;
  EXPECT_EQ(JudgeCounts(kOptions, Healthy(), few, true).verdict, Verdict::kTooFewRequests);
}

TEST(Watch, FailsScoresThatAreNoNumbersAtOnce) {
  LiveCounts broken = Healthy();
  broken.non_finite_count = 20;
  const GateReport report = JudgeCounts(kOptions, {}, broken, /*settled=*/false);
  EXPECT_EQ(report.verdict, Verdict::kHeld);
  EXPECT_THAT(report.detail, HasSubstr("live_non_finite is 0.002, at most 0.001 is allowed"));
  EXPECT_EQ(JudgeCounts(kOptions, broken, broken, true).verdict, Verdict::kPassed)
      << "the version before had them, too";
}

TEST(Watch, FailsErrorsBeyondThoseOfTheVersionBefore) {
  LiveCounts before = Healthy();
  before.errors_count = 100;
  LiveCounts serving = Healthy();
  serving.errors_count = 140;
  EXPECT_EQ(JudgeCounts(kOptions, before, serving, true).verdict, Verdict::kPassed);
  serving.errors_count = 160;
  EXPECT_THAT(JudgeCounts(kOptions, before, serving, true).detail, HasSubstr("live_errors"));
  EXPECT_EQ(JudgeCounts(kOptions, before, serving, /*settled=*/false).verdict, Verdict::kPassed);
  before.requests_count = 99;
  EXPECT_EQ(JudgeCounts(kOptions, before, serving, true).verdict, Verdict::kPassed)
      << "there is nothing to compare it with";
}

TEST(Watch, FailsAMedianLatencyThatIsAMultipleAndMoreThanTrifling) {
  LiveCounts slow = Healthy();
  slow.latency_buckets = {400, 0, 0, 600};
  EXPECT_THAT(JudgeCounts(kOptions, Healthy(), slow, true).detail,
              HasSubstr("live_latency is 10, at most 3 is allowed"));
  LiveCounts at_times = Healthy();
  at_times.latency_buckets = {600, 0, 0, 400};
  EXPECT_EQ(JudgeCounts(kOptions, Healthy(), at_times, true).verdict, Verdict::kPassed);
  LiveCounts little = Healthy();
  little.latency_buckets = {0, 1000};
  LiveCounts less = little;
  less.bounds_s[1] = 0.0006;
  less.bounds_s[0] = 0.0002;
  EXPECT_EQ(JudgeCounts(kOptions, less, little, true).verdict, Verdict::kPassed)
      << "three times as long, but not by 2 ms";
}

TEST(Watch, CountsOnlyWhatCameSince) {
  LiveCounts now = Healthy();
  LiveCounts earlier = Healthy();
  earlier.requests_count = 400;
  earlier.latency_buckets[0] = 400;
  earlier.scores_count = 4000;
  const LiveCounts since = now.Since(earlier);
  EXPECT_EQ(since.requests_count, 600U);
  EXPECT_EQ(since.latency_buckets[0], 600U);
  EXPECT_EQ(since.scores_count, 6000U);
  EXPECT_EQ(since.bounds_s[0], 0.001);
}

}  // namespace
}  // namespace fmserve::loader
