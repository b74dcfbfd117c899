#include "server/log_sample.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace fmserve::server {
namespace {

std::string Id(int i) { return "0123456789abcdef-" + std::to_string(i); }

constexpr int kIds = 200000;

TEST(LogSampleTest, HasItsShareOfTheIds) {
  for (const double percent : {0.1, 1.0, 25.0, 100.0}) {
    const LogSample sample(percent);
    int has = 0;
    for (int i = 0; i < kIds; ++i) has += sample.Has(Id(i)) ? 1 : 0;
    const double p = percent / 100.0;
    EXPECT_NEAR(has, p * kIds, 4.0 * std::sqrt(p * (1.0 - p) * kIds)) << percent;
  }
}

TEST(LogSampleTest, HasTheRequestsOfASmallerOne) {
  const LogSample small(1.0);
  const LogSample large(5.0);
  for (int i = 0; i < kIds; ++i) EXPECT_LE(small.Has(Id(i)), large.Has(Id(i))) << i;
}

// docs/clients.md: clients compute it, too.
TEST(LogSampleTest, IsTheSameOnEveryMachineAndInEveryRelease) {
  EXPECT_EQ(LogSample::kSeed, 0x6c6f67U);
  EXPECT_EQ(loader::HashOfRequestId("a", LogSample::kSeed), 10992404100695812122U);
  EXPECT_EQ(loader::HashOfRequestId("page-view-4711", LogSample::kSeed), 1804355542413456085U);
}

TEST(LogSampleTest, IsIndependentOfCanaries) {
  const LogSample sample(10.0);
  for (const uint64_t version : {1, 2, 1000}) {
    const loader::CanaryShare canary = loader::CanaryShare::Of(version, 10.0);
    int both = 0;
    for (int i = 0; i < kIds; ++i) both += sample.Has(Id(i)) && canary.Has(Id(i)) ? 1 : 0;
    EXPECT_NEAR(both, 0.01 * kIds, 4.0 * std::sqrt(0.01 * 0.99 * kIds)) << version;
  }
}

}  // namespace
}  // namespace fmserve::server
