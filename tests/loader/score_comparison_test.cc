#include "loader/score_comparison.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace fmserve::loader {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

float Probability(double logit) { return static_cast<float>(1.0 / (1.0 + std::exp(-logit))); }

// Requests of `candidates` each, whose logits are drawn around -3; `change` makes the new logit
// of the old one.
template <typename Change>
Comparison Compare(int requests, int candidates, Change change) {
  std::mt19937 random(7);
  std::normal_distribution<double> logits(-3.0, 1.0);
  ScoreComparison comparison(/*of_probabilities=*/true);
  for (int r = 0; r < requests; ++r) {
    std::vector<float> serving;
    std::vector<float> candidate;
    for (int c = 0; c < candidates; ++c) {
      const double logit = logits(random);
      serving.push_back(Probability(logit));
      candidate.push_back(Probability(change(logit)));
    }
    comparison.AddRequest(serving, candidate);
  }
  return comparison.Finish();
}

TEST(ScoreComparison, FindsNothingBetweenEqualVersions) {
  const Comparison same = Compare(100, 20, [](double logit) { return logit; });
  EXPECT_EQ(same.requests_count, 100U);
  EXPECT_EQ(same.candidates_count, 2000U);
  EXPECT_EQ(same.ranked_requests_count, 100U);
  EXPECT_EQ(same.serving_mean, same.candidate_mean);
  EXPECT_EQ(same.psi.value(), 0.0);
  EXPECT_EQ(same.shift, 0.0);
  EXPECT_NEAR(*same.correlation, 1.0, 1e-12);
  EXPECT_EQ(same.top1_agreement, 1.0);
  EXPECT_EQ(same.kendall_tau, 1.0);
}

TEST(ScoreComparison, SeesThatAllLogitsAreHigherAndTheOrderIsTheSame) {
  const Comparison higher = Compare(100, 20, [](double logit) { return logit + 1.0; });
  EXPECT_NEAR(higher.shift, 1.0, 1e-4);
  EXPECT_GT(higher.candidate_mean / higher.serving_mean, 2.0);
  EXPECT_GT(higher.psi.value(), 0.7);
  EXPECT_NEAR(*higher.correlation, 1.0, 1e-6);
  EXPECT_EQ(higher.kendall_tau, 1.0);
}

TEST(ScoreComparison, SeesThatTheOrderIsAnotherThoughTheDistributionIsTheSame) {
  const Comparison mirrored = Compare(100, 20, [](double logit) { return -6.0 - logit; });
  EXPECT_LT(mirrored.psi.value(), 0.05);
  EXPECT_LT(*mirrored.correlation, -0.99);
  EXPECT_LT(mirrored.kendall_tau, -0.99);
  EXPECT_LT(mirrored.top1_agreement, 0.1);
}

TEST(ScoreComparison, HasThePsiOfTheDefinition) {
  // Half of the candidates leave the lowest decile for the highest: (0.05 - 0.1) ln 0.5 +
  // (0.15 - 0.1) ln 1.5.
  std::vector<float> serving;
  std::vector<float> candidate;
  for (int i = 0; i < 1000; ++i) {
    serving.push_back(static_cast<float>(i));
    candidate.push_back(static_cast<float>(i < 50 ? 1000 + i : i));
  }
  ScoreComparison comparison(/*of_probabilities=*/false);
  comparison.AddRequest(serving, candidate);
  EXPECT_NEAR(comparison.Finish().psi.value(), -0.05 * std::log(0.5) + 0.05 * std::log(1.5), 1e-6);
}

TEST(ScoreComparison, HasNoPsiOfAHandfulOfPredictionsThatComeAgainAndAgain) {
  ScoreComparison comparison(/*of_probabilities=*/true);
  for (int i = 0; i < 1000; ++i) {
    comparison.AddRequest(std::vector<float>{0.1F, 0.2F}, std::vector<float>{0.11F, 0.21F});
  }
  EXPECT_EQ(comparison.Finish().psi, std::nullopt);
}

TEST(ScoreComparison, MeasuresTheShiftOfARegressionInStandardDeviations) {
  ScoreComparison comparison(/*of_probabilities=*/false);
  comparison.AddRequest(std::vector<float>{-10, 10}, std::vector<float>{-5, 15});
  EXPECT_NEAR(comparison.Finish().shift, 0.5, 1e-6);
}

TEST(ScoreComparison, LeavesOutWhatTheServingVersionDoesNotPredictAndCountsWhatTheNewOneDoesNot) {
  ScoreComparison comparison(/*of_probabilities=*/true);
  comparison.AddRequest(std::vector<float>{kNan, 0.5F, 0.25F},
                        std::vector<float>{0.5F, kNan, 0.25F});
  comparison.AddFailedRequest();
  const Comparison result = comparison.Finish();
  EXPECT_EQ(result.candidates_count, 1U);
  EXPECT_EQ(result.non_finite_count, 1U);
  EXPECT_EQ(result.requests_count, 1U);
  EXPECT_EQ(result.failed_requests_count, 1U);
  EXPECT_EQ(result.ranked_requests_count, 0U);
}

TEST(ScoreComparison, OfNothingIsAllZero) {
  const Comparison nothing = ScoreComparison(/*of_probabilities=*/true).Finish();
  EXPECT_EQ(nothing.candidates_count, 0U);
  EXPECT_EQ(nothing.psi, std::nullopt);
  EXPECT_EQ(nothing.correlation, std::nullopt);
}

TEST(ScoreComparison, IsFiniteForPredictionsOfZeroAndOne) {
  ScoreComparison comparison(/*of_probabilities=*/true);
  comparison.AddRequest(std::vector<float>{0.0F, 1.0F}, std::vector<float>{1.0F, 0.0F});
  const Comparison result = comparison.Finish();
  EXPECT_TRUE(std::isfinite(result.shift));
  EXPECT_NEAR(*result.correlation, -1.0, 1e-9);
}

TEST(ScoreComparison, KeepsASampleOfManyCandidatesThatTellsTheSame) {
  const Comparison many = Compare(2, 200'000, [](double logit) { return logit + 1.0; });
  const Comparison few = Compare(2, 20'000, [](double logit) { return logit + 1.0; });
  EXPECT_NEAR(many.psi.value(), few.psi.value(), 0.05);
}

TEST(ScoreComparison, TellsTheShareOfUnknownFeaturesByField) {
  ScoreComparison comparison(/*of_probabilities=*/true);
  comparison.SetUnknown("user", 200, 20, 100);
  comparison.SetUnknown("never sent", 0, 0, 0);
  const Comparison result = comparison.Finish();
  ASSERT_EQ(result.unknown.size(), 1U);
  EXPECT_EQ(result.unknown[0].field, "user");
  EXPECT_EQ(result.unknown[0].serving, 0.1);
  EXPECT_EQ(result.unknown[0].candidate, 0.5);
  EXPECT_EQ(result.unknown[0].serving_known_count, 180U);
}

}  // namespace
}  // namespace fmserve::loader
