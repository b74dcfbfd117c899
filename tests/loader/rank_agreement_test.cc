#include "loader/rank_agreement.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace fmserve::loader {
namespace {

// By the definition: O(n^2).
double TauByPairs(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0.0;
  double untied_a = 0.0;
  double untied_b = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const int sign_a = (a[i] > a[j]) - (a[i] < a[j]);
      const int sign_b = (b[i] > b[j]) - (b[i] < b[j]);
      difference += sign_a * sign_b;
      untied_a += sign_a != 0 ? 1.0 : 0.0;
      untied_b += sign_b != 0 ? 1.0 : 0.0;
    }
  }
  return difference / std::sqrt(untied_a * untied_b);
}

TEST(KendallTau, IsOneForTheSameOrderAndMinusOneForTheOpposite) {
  RankAgreement ranks;
  const std::vector<float> up = {1, 2, 3, 4, 5};
  const std::vector<float> also_up = {-7, 0, 0.5, 8, 100};
  const std::vector<float> down = {5, 4, 3, 2, 1};
  EXPECT_EQ(ranks.KendallTau(up, also_up), 1.0);
  EXPECT_EQ(ranks.KendallTau(up, down), -1.0);
}

TEST(KendallTau, IsWhatItsDefinitionSaysAlsoWithTies) {
  std::mt19937 random(1);
  RankAgreement ranks;
  for (size_t n : {2U, 3U, 17U, 100U, 501U}) {
    std::vector<float> a(n);
    std::vector<float> b(n);
    for (size_t i = 0; i < n; ++i) {
      a[i] = static_cast<float>(random() % 20);
      b[i] = a[i] + static_cast<float>(random() % 20);
    }
    a[0] = 100.0F;
    b[0] = 100.0F;
    const std::optional<double> tau = ranks.KendallTau(a, b);
    ASSERT_TRUE(tau.has_value());
    EXPECT_NEAR(*tau, TauByPairs(a, b), 1e-12) << n;
  }
}

TEST(KendallTau, TellsNothingOfCandidatesThatTheServingVersionFindsAlike) {
  RankAgreement ranks;
  const std::vector<float> alike = {2, 2, 2};
  const std::vector<float> up = {1, 2, 3};
  EXPECT_EQ(ranks.KendallTau(alike, up), std::nullopt);
  EXPECT_EQ(ranks.KendallTau(up, alike), 0.0) << "the new version tells nothing apart";
}

TEST(SameTop1, LooksForTheBestAndTakesAnyOfSeveral) {
  EXPECT_TRUE(SameTop1(std::vector<float>{1, 3, 2}, std::vector<float>{5, 9, 8}));
  EXPECT_FALSE(SameTop1(std::vector<float>{1, 3, 2}, std::vector<float>{5, 8, 9}));
  EXPECT_TRUE(SameTop1(std::vector<float>{1, 3, 2}, std::vector<float>{9, 9, 9}));
  EXPECT_TRUE(SameTop1(std::vector<float>{3, 3, 2}, std::vector<float>{8, 9, 1}));
}

}  // namespace
}  // namespace fmserve::loader
