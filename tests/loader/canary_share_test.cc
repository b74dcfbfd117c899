#include "loader/canary_share.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>

namespace fmserve::loader {
namespace {

std::string RandomId(std::mt19937_64& random) {
  std::string id(16, '\0');
  for (char& c : id) c = static_cast<char>('a' + random() % 26);
  return id;
}

// The smallest limit that has the id is one above its hash.
uint64_t HashOf(const std::string& id, uint64_t version) {
  CanaryShare share = CanaryShare::Of(version, 5.0);
  uint64_t hash = 0;
  for (int bit = 63; bit >= 0; --bit) {
    share.limit = hash + (uint64_t{1} << bit);
    if (!share.Has(id)) hash = share.limit;
  }
  return hash;
}

// docs/clients.md: clients compute them, too.
TEST(CanaryShare, HashesAreTheSameOnEveryMachineAndInEveryRelease) {
  EXPECT_EQ(HashOf("", 1), 0x6117dfe380bf34a5U);
  EXPECT_EQ(HashOf("a", 1), 0xf2c2f9e7d721087dU);
  EXPECT_EQ(HashOf("page-view-4711", 1), 0x829cfabbc82925ebU);
  EXPECT_EQ(HashOf("page-view-4711", 2), 0x46ef8a015b327580U);
  EXPECT_EQ(HashOf(std::string(128, 'r'), 1000000), 0xede2267e921480a1U);
}

TEST(CanaryShare, LimitsAreTheShareOfAllHashes) {
  EXPECT_EQ(CanaryShare::Of(1, 50.0).limit, uint64_t{1} << 63);
  EXPECT_EQ(CanaryShare::Of(1, 25.0).limit, uint64_t{1} << 62);
  EXPECT_EQ(CanaryShare::Of(1, 0.0).limit, 0U);
  EXPECT_FALSE(CanaryShare::Of(1, 0.0).Has("a"));
}

TEST(CanaryShare, HasItsShareOfRandomIdsAndOfThoseThatServersMakeUp) {
  constexpr int kIds = 200000;
  std::mt19937_64 random(7);
  for (const double percent : {0.1, 1.0, 5.0, 50.0}) {
    const CanaryShare share = CanaryShare::Of(17, percent);
    int of_random = 0;
    int of_numbered = 0;
    for (int i = 0; i < kIds; ++i) {
      of_random += share.Has(RandomId(random)) ? 1 : 0;
      of_numbered += share.Has("0123456789abcdef-" + std::to_string(i)) ? 1 : 0;
    }
    const double p = percent / 100.0;
    const double four_deviations = 4.0 * std::sqrt(p * (1.0 - p) * kIds);
    EXPECT_NEAR(of_random, p * kIds, four_deviations) << percent;
    EXPECT_NEAR(of_numbered, p * kIds, four_deviations) << percent;
  }
}

TEST(CanaryShare, OfTheSameVersionHoldsTheRequestsOfASmallerOne) {
  std::mt19937_64 random(7);
  const CanaryShare small = CanaryShare::Of(17, 5.0);
  const CanaryShare large = CanaryShare::Of(17, 20.0);
  for (int i = 0; i < 10000; ++i) {
    const std::string id = RandomId(random);
    EXPECT_LE(small.Has(id), large.Has(id)) << id;
  }
}

TEST(CanaryShare, OfAnotherVersionHasOtherRequests) {
  constexpr int kIds = 100000;
  std::mt19937_64 random(7);
  const CanaryShare one = CanaryShare::Of(17, 10.0);
  const CanaryShare next = CanaryShare::Of(18, 10.0);
  int both = 0;
  for (int i = 0; i < kIds; ++i) {
    const std::string id = RandomId(random);
    both += one.Has(id) && next.Has(id) ? 1 : 0;
  }
  EXPECT_NEAR(both, 0.01 * kIds, 4.0 * std::sqrt(0.01 * kIds));
}

}  // namespace
}  // namespace fmserve::loader
