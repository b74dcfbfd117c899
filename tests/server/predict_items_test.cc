// Candidates of Predict that are items of the catalogue.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "server/predictor.h"
#include "tests/model/int8_bound.h"
#include "tests/model/test_catalogue.h"
#include "tests/model/test_model.h"
#include "tests/server/fake_clock.h"

namespace fmserve::server {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using ::testing::StartsWith;

constexpr int kItems = 1000;

const model::KernelTable& TestKernels() { return **model::DefaultKernels(); }

// Items 0 to 999, each with the ad of that number as its only feature.
model::Vectors SampleItems() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  model::Vectors items;
  items.k = 16;
  for (int i = 0; i < kItems; ++i) {
    std::vector<float>& v = items.v.emplace_back(items.k);
    for (float& value : v) value = normal(random) / 4;
    items.biases.push_back(normal(random));
  }
  return items;
}

std::shared_ptr<const loader::Snapshot> SnapshotWithItems(
    model::ItemVectors item_vectors = model::ItemVectors::kF32) {
  const model::TestFiles files = FilesOf(SampleItems());
  return std::make_shared<const loader::Snapshot>(files.weights, TestKernels(),
                                                  FoldOf(files, TestKernels(), item_vectors));
}

class PredictItemsTest : public testing::Test {
 protected:
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

  static v1::PredictRequest ContextAlone() {
    v1::PredictRequest request;
    v1::Feature* user = request.mutable_features()->add_context();
    user->set_field("user");
    user->add_integers(3);
    return request;
  }
  static void AddAd(v1::PredictRequest* request, int ad) {
    v1::Feature* feature = request->mutable_features()->add_candidates()->add_features();
    feature->set_field("ad");
    feature->add_integers(ad);
  }

  std::shared_ptr<const loader::Snapshot> snapshot_ = SnapshotWithItems();
  PredictScratch scratch_;
  v1::PredictResponse response_;
};

TEST_F(PredictItemsTest, AnItemPredictsAsItsFeaturesDo) {
  v1::PredictRequest request = ContextAlone();
  for (int i = 0; i < kItems; ++i) {
    AddAd(&request, i);
    request.mutable_items()->add_integers(static_cast<uint64_t>(i));
  }
  ASSERT_TRUE(PredictInTime(request).ok());
  ASSERT_EQ(response_.predictions_size(), 2 * kItems);
  for (int i = 0; i < kItems; ++i)
    EXPECT_NEAR(response_.predictions(i), response_.predictions(kItems + i), 1e-5);
  EXPECT_EQ(response_.scored_count(), 2U * kItems);
  EXPECT_EQ(response_.unknown_items_count(), 0U);
}

TEST_F(PredictItemsTest, AnItemInInt8PredictsWithinTheBound) {
  v1::PredictRequest request = ContextAlone();
  for (uint64_t i = 0; i < kItems; ++i) request.mutable_items()->add_integers(i);
  ASSERT_TRUE(PredictInTime(request).ok());
  const auto in_f32 = response_.predictions();
  snapshot_ = SnapshotWithItems(model::ItemVectors::kInt8);
  ASSERT_TRUE(PredictInTime(request).ok());
  const model::Vectors items = SampleItems();
  const model::Scratch& context = scratch_.scorer;
  for (int i = 0; i < kItems; ++i) {
    const auto item = static_cast<size_t>(i);
    const double bound = model::Int8Bound(items.v[item], context.context_sums().first(items.k),
                                          context.context_score(), items.biases[item]);
    // A sigmoid rises by a quarter of its argument at most.
    EXPECT_NEAR(response_.predictions(i), in_f32[i], bound / 4 + 1e-5);
  }
}

TEST_F(PredictItemsTest, AnItemThatTheCatalogueLacksHasNoPrediction) {
  v1::PredictRequest request = ContextAlone();
  for (const uint64_t id : {5U, 77'777U, 6U, 99'999U}) request.mutable_items()->add_integers(id);
  ASSERT_TRUE(PredictInTime(request).ok());
  EXPECT_EQ(response_.unknown_items_count(), 2U);
  EXPECT_EQ(response_.scored_count(), 4U);
  EXPECT_FALSE(std::isnan(response_.predictions(0)));
  EXPECT_TRUE(std::isnan(response_.predictions(1)));
  EXPECT_FALSE(std::isnan(response_.predictions(2)));
  EXPECT_TRUE(std::isnan(response_.predictions(3)));
}

TEST_F(PredictItemsTest, TimeThatRunsOutLeavesTheRestWithoutAScore) {
  v1::PredictRequest request = ContextAlone();
  AddAd(&request, 1);
  for (uint64_t id = 0; id < 3 * kChunkCandidates; ++id) request.mutable_items()->add_integers(1);
  ASSERT_TRUE(PredictWithin(4, request).ok());  // the start, the list, two chunks of items
  EXPECT_EQ(response_.scored_count(), 1 + 2 * kChunkCandidates);
  EXPECT_EQ(response_.incomplete(), v1::INCOMPLETE_DEADLINE_EXCEEDED);
  const auto& predictions = response_.predictions();
  EXPECT_FALSE(std::isnan(predictions[2 * kChunkCandidates]));
  EXPECT_TRUE(std::isnan(predictions[2 * kChunkCandidates + 1]));
}

TEST_F(PredictItemsTest, NamesWhatIsWrong) {
  v1::PredictRequest request = ContextAlone();
  request.mutable_items()->add_strings("5");
  absl::Status status = PredictInTime(request);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), StartsWith("items.strings:"));
  request = ContextAlone();
  AddAd(&request, 1);
  for (size_t i = 0; i < RequestLimits().max_candidates; ++i)
    request.mutable_items()->add_integers(1);
  status = PredictInTime(request);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), StartsWith("items: 10001 candidates"));
}

TEST_F(PredictItemsTest, AModelWithoutACatalogueSaysSo) {
  const model::TestFiles files = model::FilesOf({.k = 1, .v = {{0.5F}}, .biases = {0.0F}});
  const loader::Snapshot without(files.weights, TestKernels());
  const FakeClock clock{nanoseconds(0)};
  const auto budget = RequestBudget::Start(clock, clock.Now(), hours(1), nanoseconds(0), hours(1));
  v1::PredictRequest request = ContextAlone();
  request.mutable_items();
  EXPECT_EQ(Predict(without, RequestLimits(), budget, request, &scratch_, &response_).code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace fmserve::server
