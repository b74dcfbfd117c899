#include "tools/load/schedule.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <vector>

namespace fmserve::tools {
namespace {

using std::chrono::nanoseconds;

std::vector<double> Gaps(Arrivals arrivals, double rate, int count) {
  SendSchedule schedule(rate, arrivals, 7);
  std::vector<double> gaps;
  nanoseconds last{0};
  for (int i = 0; i < count; ++i) {
    const nanoseconds next = schedule.Next();
    gaps.push_back(std::chrono::duration<double>(next - last).count());
    last = next;
  }
  return gaps;
}

TEST(SendSchedule, UniformArrivalsAreEquallyFarApart) {
  for (double gap : Gaps(Arrivals::kUniform, 2000.0, 5000)) EXPECT_NEAR(gap, 0.0005, 2e-9);
}

TEST(SendSchedule, PoissonArrivalsHaveTheRateAndTheSpreadOfAnExponential) {
  const std::vector<double> gaps = Gaps(Arrivals::kPoisson, 2000.0, 100'000);
  double sum = 0.0;
  double squares = 0.0;
  for (double gap : gaps) {
    ASSERT_GE(gap, 0.0);
    sum += gap;
    squares += gap * gap;
  }
  const double n = static_cast<double>(gaps.size());
  const double mean = sum / n;
  const double stddev = std::sqrt(squares / n - mean * mean);
  EXPECT_NEAR(mean, 0.0005, 0.0005 * 0.02);
  EXPECT_NEAR(stddev / mean, 1.0, 0.03);  // 1 for an exponential distribution, 0 for equal gaps
}

TEST(SendSchedule, IsFixedByItsSeed) {
  SendSchedule a(1000.0, Arrivals::kPoisson, 3);
  SendSchedule b(1000.0, Arrivals::kPoisson, 3);
  SendSchedule c(1000.0, Arrivals::kPoisson, 4);
  const nanoseconds first = a.Next();
  EXPECT_EQ(first, b.Next());
  EXPECT_NE(first, c.Next());
}

}  // namespace
}  // namespace fmserve::tools
