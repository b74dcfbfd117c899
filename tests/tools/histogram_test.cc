#include "tools/load/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace fmserve::tools {
namespace {

TEST(LatencyHistogram, IsZeroWhileEmpty) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.max_us(), 0);
  EXPECT_EQ(histogram.Quantile(0.99), 0);
}

TEST(LatencyHistogram, IsExactBelow256Microseconds) {
  LatencyHistogram histogram;
  for (int us = 1; us <= 100; ++us) histogram.Record(us);
  EXPECT_EQ(histogram.Quantile(0.0), 1);
  EXPECT_EQ(histogram.Quantile(0.5), 50);
  EXPECT_EQ(histogram.Quantile(0.99), 99);
  EXPECT_EQ(histogram.Quantile(0.991), 100);
  EXPECT_EQ(histogram.Quantile(1.0), 100);
}

TEST(LatencyHistogram, NeverUnderstatesAQuantileAndOverstatesItByLessThan8PerMille) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> latencies(6.0, 2.5);
  LatencyHistogram histogram;
  std::vector<int64_t> sorted;
  for (int i = 0; i < 20'000; ++i) {
    sorted.push_back(static_cast<int64_t>(latencies(random)));
    histogram.Record(sorted.back());
  }
  std::sort(sorted.begin(), sorted.end());
  for (double quantile : {0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(quantile * static_cast<double>(sorted.size())));
    const int64_t exact = sorted[rank - 1];
    EXPECT_GE(histogram.Quantile(quantile), exact) << quantile;
    EXPECT_LE(static_cast<double>(histogram.Quantile(quantile)), static_cast<double>(exact) * 1.008)
        << quantile;
  }
  EXPECT_EQ(histogram.max_us(), sorted.back());
}

TEST(LatencyHistogram, ClampsWhatNoLatencyCanBe) {
  LatencyHistogram histogram;
  histogram.Record(-5);
  EXPECT_EQ(histogram.Quantile(1.0), 0);
  histogram.Record(INT64_MAX);
  EXPECT_EQ(histogram.Quantile(1.0), LatencyHistogram::kMaxUs);
}

TEST(LatencyHistogram, MergesAsIfAllHadBeenRecordedInOne) {
  LatencyHistogram all;
  LatencyHistogram fast;
  LatencyHistogram slow;
  for (int i = 0; i < 1000; ++i) {
    all.Record(i);
    all.Record(i * 1000);
    fast.Record(i);
    slow.Record(i * 1000);
  }
  fast.Merge(slow);
  EXPECT_EQ(fast.count(), all.count());
  EXPECT_EQ(fast.max_us(), all.max_us());
  for (double quantile : {0.25, 0.5, 0.75, 0.999})
    EXPECT_EQ(fast.Quantile(quantile), all.Quantile(quantile));
}

}  // namespace
}  // namespace fmserve::tools
