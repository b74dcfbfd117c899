#include "server/predictor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstring>

#include "tests/server/fake_clock.h"
#include "tests/server/sample_model.h"

namespace fmserve::server {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using ::testing::HasSubstr;

class PredictorTest : public testing::Test {
 protected:
  // With `looks` looks at the clock before the time is over.
  absl::Status PredictWithin(int looks, const v1::PredictRequest& request) {
    const FakeClock clock(milliseconds(1));
    const auto budget =
        RequestBudget::Start(clock, clock.Now(), milliseconds(looks + 1), nanoseconds(0), hours(1));
    response_.Clear();
    return Predict(*snapshot_, RequestLimits(), budget, request, &scratch_, &response_);
  }
  absl::Status PredictInTime(const v1::PredictRequest& request) {
    return PredictWithin(1000, request);
  }

  void ExpectPredictions(int scored) const {
    const std::vector<float> expected = ExpectedPredictions(*snapshot_, scored);
    ASSERT_GE(response_.predictions_size(), scored);
    EXPECT_EQ(std::memcmp(response_.predictions().data(), expected.data(),
                          expected.size() * sizeof(float)),
              0);
    for (int i = scored; i < response_.predictions_size(); ++i)
      EXPECT_TRUE(std::isnan(response_.predictions(i)));
  }

  std::shared_ptr<const loader::Snapshot> snapshot_ = SampleSnapshot();
  PredictScratch scratch_;
  v1::PredictResponse response_;
};

TEST_F(PredictorTest, PredictsWhatTheScorerDoesToTheBitInBothForms) {
  for (const auto& request : {FriendlyRequest(150), PackedRequest(150)}) {
    ASSERT_TRUE(PredictInTime(request).ok());
    EXPECT_EQ(response_.scored_count(), 150U);
    EXPECT_EQ(response_.incomplete(), v1::INCOMPLETE_UNSPECIFIED);
    EXPECT_EQ(response_.version(), 7U);
    ExpectPredictions(150);
  }
}

TEST_F(PredictorTest, CountsFeaturesThatTheWeightsDoNotKnow) {
  ASSERT_TRUE(PredictInTime(PackedRequest(103)).ok());
  EXPECT_EQ(response_.unknown_features_count(), 3U);  // a100, a101, a102
  EXPECT_EQ(scratch_.scorer.unknown_by_field()[kAd], 3U);
  ASSERT_TRUE(PredictInTime(PackedRequest(2)).ok());
  EXPECT_EQ(response_.unknown_features_count(), 0U);
}

TEST_F(PredictorTest, TimeThatRunsOutBetweenChunksLeavesTheRestWithoutAScore) {
  const int chunk = static_cast<int>(kChunkCandidates);
  for (const auto& request : {FriendlyRequest(3 * chunk + 5), PackedRequest(3 * chunk + 5)}) {
    ASSERT_TRUE(PredictWithin(3, request).ok());  // before the start, and before two chunks
    EXPECT_EQ(response_.scored_count(), 2U * kChunkCandidates);
    EXPECT_EQ(response_.incomplete(), v1::INCOMPLETE_DEADLINE_EXCEEDED);
    EXPECT_EQ(response_.predictions_size(), 3 * chunk + 5);
    ExpectPredictions(2 * chunk);
  }
}

TEST_F(PredictorTest, NothingScoredInTimeIsAnError) {
  for (const int looks : {0, 1}) {
    const absl::Status status = PredictWithin(looks, PackedRequest(10));
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_THAT(status.message(), HasSubstr("were over before any candidate was scored"));
  }
}

TEST_F(PredictorTest, TimeThatRanOutBeforeTheStartCostsNoWork) {
  v1::PredictRequest wrong = PackedRequest(10);
  wrong.mutable_packed()->clear_keys();
  EXPECT_EQ(PredictWithin(0, wrong).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(PredictInTime(wrong).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(PredictorTest, NoCandidatesAreAnAnswerNotAnError) {
  ASSERT_TRUE(PredictInTime(FriendlyRequest(0)).ok());
  EXPECT_EQ(response_.predictions_size(), 0);
  EXPECT_EQ(response_.incomplete(), v1::INCOMPLETE_UNSPECIFIED);
}

TEST_F(PredictorTest, ExactlyOneFormHasToBeSet) {
  EXPECT_EQ(PredictInTime({}).code(), absl::StatusCode::kInvalidArgument);
  v1::PredictRequest both = FriendlyRequest(1);
  *both.mutable_packed() = PackedRequest(1).packed();
  EXPECT_THAT(PredictInTime(both).message(), HasSubstr("exactly one of the two forms"));
}

TEST(RequestBudgetTest, TheSmallestOfTheThreeCounts) {
  const FakeClock clock{nanoseconds(0)};
  const auto total = [&](int model, int asked, int client) {
    return RequestBudget::Start(clock, clock.Now(), milliseconds(model), milliseconds(asked),
                                milliseconds(client))
        .Total();
  };
  EXPECT_EQ(total(20, 0, 100), milliseconds(20));
  EXPECT_EQ(total(20, 5, 100), milliseconds(5));
  EXPECT_EQ(total(20, 50, 100), milliseconds(20));
  EXPECT_EQ(total(20, 50, 3), milliseconds(3));
  EXPECT_TRUE(
      RequestBudget::Start(clock, clock.Now(), milliseconds(20), milliseconds(0), milliseconds(-1))
          .Exhausted());
}

}  // namespace
}  // namespace fmserve::server
