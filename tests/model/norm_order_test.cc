#include "model/norm_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace fmserve::model {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(OrderByNormTest, LargestFirstAndEqualOnesAsTheyStand) {
  const std::vector<float> norms = {0.0F, 2.0F, 1e30F, 2.0F, 1e-40F, 0.5F};
  EXPECT_THAT(OrderByNorm(norms, NeverStop).value(), ElementsAre(2, 1, 3, 5, 4, 0));
  EXPECT_THAT(OrderByNorm({}, NeverStop).value(), IsEmpty());
}

TEST(OrderByNormTest, IsAStableSort) {
  std::mt19937 random(1);
  std::exponential_distribution<float> exponential;
  std::vector<float> norms(20'000);
  for (float& norm : norms) norm = random() % 2 == 0 ? exponential(random) : 1.0F;
  std::vector<uint32_t> expected(norms.size());
  std::iota(expected.begin(), expected.end(), 0U);
  std::sort(expected.begin(), expected.end(), [&](uint32_t a, uint32_t b) {
    return norms[a] != norms[b] ? norms[a] > norms[b] : a < b;
  });
  EXPECT_EQ(OrderByNorm(norms, NeverStop).value(), expected);
}

}  // namespace
}  // namespace fmserve::model
