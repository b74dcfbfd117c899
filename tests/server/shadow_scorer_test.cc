#include "server/shadow_scorer.h"

#include <gtest/gtest.h>

#include "tests/server/sample_model.h"

namespace fmserve::server {
namespace {

void Put(const v1::PredictRequest& request, RequestRing* ring) {
  ring->Put(request.SerializeAsString());
}

loader::Comparison Compare(const RequestRing& ring, const loader::Snapshot& serving,
                           const loader::Snapshot& candidate) {
  const auto comparison = CompareOnRequests(ring, 0, {}, serving, candidate, model::NeverStop);
  EXPECT_TRUE(comparison.ok()) << comparison.status();
  return comparison.ok() ? *comparison : loader::Comparison();
}

TEST(ShadowScorer, AnswersRequestsOfBothFormsWithBothVersions) {
  RequestRing ring({});
  Put(FriendlyRequest(30), &ring);
  Put(PackedRequest(20), &ring);
  const auto snapshot = SampleSnapshot(1);
  const loader::Comparison same = Compare(ring, *snapshot, *snapshot);
  EXPECT_EQ(same.requests_count, 2U);
  EXPECT_EQ(same.candidates_count, 50U);
  EXPECT_EQ(same.kendall_tau, 1.0);
  EXPECT_EQ(same.shift, 0.0);
  const loader::Comparison other = Compare(ring, *snapshot, *SampleSnapshot(2));
  EXPECT_EQ(other.candidates_count, 50U);
  EXPECT_LT(other.kendall_tau, 0.5);
  const std::vector<float> expected = ExpectedPredictions(*snapshot, 30);
  EXPECT_GT(expected.size(), 0U);
}

TEST(ShadowScorer, MeansAreThoseOfThePredictions) {
  RequestRing ring({});
  Put(FriendlyRequest(30), &ring);
  const auto serving = SampleSnapshot(1);
  const auto candidate = SampleSnapshot(2);
  const auto mean = [](const std::vector<float>& predictions) {
    double sum = 0.0;
    for (const float prediction : predictions) sum += prediction;
    return sum / static_cast<double>(predictions.size());
  };
  const loader::Comparison comparison = Compare(ring, *serving, *candidate);
  EXPECT_NEAR(comparison.serving_mean, mean(ExpectedPredictions(*serving, 30)), 1e-6);
  EXPECT_NEAR(comparison.candidate_mean, mean(ExpectedPredictions(*candidate, 30)), 1e-6);
}

TEST(ShadowScorer, CountsUnknownFeaturesOfAllFeaturesOfAField) {
  RequestRing ring({});
  Put(FriendlyRequest(200), &ring);  // the ads of the second half are unknown
  const auto snapshot = SampleSnapshot(1);
  const loader::Comparison comparison = Compare(ring, *snapshot, *snapshot);
  for (const loader::UnknownShare& unknown : comparison.unknown) {
    const double expected = unknown.field == "ad" ? 0.5 : 0.0;
    EXPECT_NEAR(unknown.serving, expected, 1e-9) << unknown.field;
    EXPECT_NEAR(unknown.candidate, expected, 1e-9) << unknown.field;
  }
  EXPECT_EQ(comparison.unknown.size(), 7U);
}

TEST(ShadowScorer, LeavesOutWhatTheServingVersionCannotAnswer) {
  RequestRing ring({});
  ring.Put("not a message");
  v1::PredictRequest of_another_schema;
  of_another_schema.mutable_packed()->set_fields("\x63");
  of_another_schema.mutable_packed()->add_keys(1);
  of_another_schema.mutable_packed()->set_context_length(1);
  Put(of_another_schema, &ring);
  v1::PredictRequest with_items = FriendlyRequest(1);
  with_items.mutable_items()->add_integers(1);  // there is no catalogue
  Put(with_items, &ring);
  const auto snapshot = SampleSnapshot(1);
  const loader::Comparison comparison = Compare(ring, *snapshot, *snapshot);
  EXPECT_EQ(comparison.requests_count, 0U);
  EXPECT_EQ(comparison.failed_requests_count, 0U);
}

TEST(ShadowScorer, StopsWhenItIsAskedTo) {
  RequestRing ring({});
  Put(FriendlyRequest(3), &ring);
  const auto snapshot = SampleSnapshot(1);
  const auto comparison = CompareOnRequests(ring, 0, {}, *snapshot, *snapshot,
                                            [] { return absl::CancelledError("stopped"); });
  EXPECT_TRUE(absl::IsCancelled(comparison.status()));
}

}  // namespace
}  // namespace fmserve::server
