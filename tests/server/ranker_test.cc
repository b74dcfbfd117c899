#include "server/ranker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/model/test_catalogue.h"
#include "tests/model/test_model.h"
#include "tests/server/fake_clock.h"

namespace fmserve::server {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr size_t kItems = 40'000;  // two looks at the clock

const model::KernelTable& Kernels() { return **model::DefaultKernels(); }

// Item i has the genre i mod 3 ("a", "b", "c") and the advertisers "odd" or "even" and "x".
model::TestFiles SampleFiles() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  model::Vectors items;
  items.k = 8;
  for (size_t i = 0; i < kItems; ++i) {
    std::vector<float>& v = items.v.emplace_back(items.k);
    for (float& value : v) value = normal(random);
    items.biases.push_back(normal(random));
  }
  static constexpr std::string_view kGenres[] = {"a", "b", "c"};
  return FilesOf(items, {"genre", "advertiser"}, [](size_t item, size_t attribute) {
    if (attribute == 0) return std::vector<std::string_view>{kGenres[item % 3]};
    return std::vector<std::string_view>{item % 2 == 0 ? "even" : "odd", "x"};
  });
}

class RankerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    files_ = new model::TestFiles(SampleFiles());
    snapshot_ = new std::shared_ptr<const loader::Snapshot>(
        std::make_shared<loader::Snapshot>(files_->weights, Kernels(), FoldOf(*files_, Kernels())));
  }
  static void TearDownTestSuite() {
    delete snapshot_;
    delete files_;
  }

  // With `looks` looks at the clock before the time is over.
  absl::Status TopKWithin(int looks, const v1::TopKRequest& request) {
    const FakeClock clock(milliseconds(1));
    const auto budget =
        RequestBudget::Start(clock, clock.Now(), milliseconds(looks + 1), nanoseconds(0), hours(1));
    response_.Clear();
    return TopK(**snapshot_, RequestLimits(), budget, request, &scratch_, &response_);
  }
  absl::Status TopKInTime(const v1::TopKRequest& request) { return TopKWithin(100'000, request); }

  // The response holds the best of the items that `wanted` admits, by hand.
  void ExpectBest(size_t k, const std::function<bool(uint32_t)>& wanted = nullptr) {
    model::Scratch context;
    ScoreTestContext(*files_, Kernels(), 1, context);
    const auto expected = BruteForce(*files_, Kernels(), context, k, wanted);
    ASSERT_EQ(response_.ids().integers_size(), static_cast<int>(expected.size()));
    ASSERT_EQ(response_.predictions_size(), static_cast<int>(expected.size()));
    const model::Scorer& scorer = (*snapshot_)->scorer();
    for (size_t i = 0; i < expected.size(); ++i) {
      const int at = static_cast<int>(i);
      EXPECT_EQ(response_.ids().integers(at), expected[i].item);  // ids are the indices
      EXPECT_FLOAT_EQ(response_.predictions(at),
                      static_cast<float>(scorer.Predict(static_cast<float>(expected[i].score))));
    }
    EXPECT_EQ(response_.incomplete(), v1::INCOMPLETE_UNSPECIFIED);
    EXPECT_EQ(response_.items_count(), kItems);
    EXPECT_EQ(response_.covered_items_count(), kItems);
  }

  static v1::TopKRequest FriendlyContext(uint32_t k) {
    v1::TopKRequest request;
    request.set_k(k);
    v1::Feature* user = request.mutable_features()->add_context();
    user->set_field("user");
    user->add_integers(1);
    return request;
  }
  static v1::TopKRequest PackedContext(uint32_t k) {
    v1::TopKRequest request;
    request.set_k(k);
    request.mutable_packed()->set_fields(std::string(1, '\0'));
    request.mutable_packed()->add_keys(model::KeyOf(model::kUser, 1));
    request.mutable_packed()->set_context_length(1);
    return request;
  }

  static model::TestFiles* files_;
  static std::shared_ptr<const loader::Snapshot>* snapshot_;
  TopKScratch scratch_;
  v1::TopKResponse response_;
};

model::TestFiles* RankerTest::files_ = nullptr;
std::shared_ptr<const loader::Snapshot>* RankerTest::snapshot_ = nullptr;

void SetIn(v1::ItemFilter* filter, const std::string& attribute,
           const std::vector<std::string>& values) {
  filter->mutable_in()->set_attribute(attribute);
  for (const std::string& value : values) filter->mutable_in()->add_values(value);
}

TEST_F(RankerTest, FindsTheBestItemsInBothForms) {
  for (const uint32_t k : {1U, 20U, 1000U}) {
    for (const v1::TopKRequest& request : {FriendlyContext(k), PackedContext(k)}) {
      ASSERT_TRUE(TopKInTime(request).ok());
      ExpectBest(k);
      EXPECT_TRUE(response_.bids().empty());
    }
  }
}

TEST_F(RankerTest, KeepsToAFilterOfAnyShape) {
  v1::TopKRequest request = FriendlyContext(10);
  v1::ItemFilters* all = request.mutable_filter()->mutable_all_of();
  v1::ItemFilters* any = all->add_filters()->mutable_any_of();
  SetIn(any->add_filters(), "genre", {"a", "never seen"});
  SetIn(any->add_filters(), "genre", {"b"});
  v1::AttributeValues* not_in = all->add_filters()->mutable_not_in();
  not_in->set_attribute("advertiser");
  not_in->add_values("odd");
  v1::ItemIds* seen = all->add_filters()->mutable_exclude();
  for (const uint64_t id : {0U, 4U, 6U, 999'999U}) seen->add_integers(id);
  ASSERT_TRUE(TopKInTime(request).ok());
  ExpectBest(10, [](uint32_t item) {
    return item % 3 != 2 && item % 2 == 0 && item != 0 && item != 4 && item != 6;
  });
}

TEST_F(RankerTest, GivesFewerWhenTheFilterLetsFewerThrough) {
  v1::TopKRequest request = FriendlyContext(10);
  SetIn(request.mutable_filter(), "genre", {"never seen"});
  ASSERT_TRUE(TopKInTime(request).ok());
  ExpectBest(10, [](uint32_t) { return false; });
}

TEST_F(RankerTest, TimeThatRunsOutUnderwayLeavesTheBestOfWhatWasCovered) {
  ASSERT_TRUE(TopKWithin(2, FriendlyContext(10)).ok());
  EXPECT_EQ(response_.incomplete(), v1::INCOMPLETE_DEADLINE_EXCEEDED);
  EXPECT_GT(response_.covered_items_count(), 0U);
  EXPECT_LT(response_.covered_items_count(), kItems);
  EXPECT_EQ(response_.ids().integers_size(), 10);
}

TEST_F(RankerTest, NothingCoveredInTimeIsAnError) {
  for (const int looks : {0, 1}) {
    const absl::Status status = TopKWithin(looks, FriendlyContext(10));
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << looks;
    EXPECT_THAT(status.message(), HasSubstr("before any item was looked at"));
  }
}

TEST_F(RankerTest, NamesWhatIsWrong) {
  const auto expect = [this](const v1::TopKRequest& request, const std::string& message) {
    const absl::Status status = TopKInTime(request);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), StartsWith(message));
  };
  expect(FriendlyContext(0), "k: 0");
  expect(FriendlyContext(1001), "k: 1001");
  expect(
      [] {
        v1::TopKRequest request;
        request.set_k(1);
        return request;
      }(),
      "features, packed:");
  v1::TopKRequest request = FriendlyContext(1);
  request.mutable_features()->add_candidates();
  expect(request, "features, packed: a TopK request has no candidates");
  request = FriendlyContext(1);
  request.mutable_features()->mutable_context(0)->set_field("usr");
  expect(request, "features.context[0].field: the model has no field");
  request = FriendlyContext(1);
  request.mutable_filter();
  expect(request, "filter.condition: not set");
  request.mutable_filter()->mutable_any_of();
  expect(request, "filter.any_of.filters: empty");
  SetIn(request.mutable_filter()->mutable_any_of()->add_filters(), "colour", {"a"});
  expect(request, "filter.any_of.filters[0].in:");
  request.mutable_filter()->mutable_exclude()->add_strings("text");
  expect(request, "filter.exclude:");
  request.mutable_filter()->mutable_exclude()->add_integers(1);
  expect(request, "filter.exclude: integers, strings:");
}

TEST_F(RankerTest, RefusesAFilterThatIsTooDeepOrTooLong) {
  v1::TopKRequest request = FriendlyContext(1);
  v1::ItemFilters* filters = request.mutable_filter()->mutable_all_of();
  for (int i = 0; i < 129; ++i) SetIn(filters->add_filters(), "genre", {"a"});
  EXPECT_EQ(TopKInTime(request).code(), absl::StatusCode::kInvalidArgument);
  filters->mutable_filters()->RemoveLast();
  EXPECT_TRUE(TopKInTime(request).ok());

  filters->Clear();
  for (int depth = 0; depth < 17; ++depth) {
    SetIn(filters->add_filters(), "genre", {"a"});
    filters = filters->add_filters()->mutable_all_of();
  }
  SetIn(filters->add_filters(), "genre", {"a"});
  EXPECT_EQ(TopKInTime(request).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(RankerTest, GivesStringIdsAndBidsOfACatalogueThatHasThem) {
  model::CatalogueOptions options;
  options.model_name = "test";
  options.version = 5;
  options.schema = model::TestSchema();
  options.id_type = model::IdType::kString;
  options.with_bids = true;
  std::vector<model::TestItem> items(2);
  for (size_t i = 0; i < items.size(); ++i) {
    items[i].text_id = i == 0 ? "first" : "second";
    items[i].bid = static_cast<float>(i) + 0.5F;
    model::AddFeature(items[i].features, model::kAd, static_cast<int64_t>(i));
  }
  const model::TestFiles files = {files_->weights, OpenCatalogue(options, items)};
  const loader::Snapshot snapshot(files.weights, Kernels(), FoldOf(files, Kernels()));
  const FakeClock clock{nanoseconds(0)};
  const auto budget = RequestBudget::Start(clock, clock.Now(), hours(1), nanoseconds(0), hours(1));
  ASSERT_TRUE(
      TopK(snapshot, RequestLimits(), budget, FriendlyContext(9), &scratch_, &response_).ok());
  model::Scratch context;
  ScoreTestContext(files, Kernels(), 1, context);
  const auto expected = BruteForce(files, Kernels(), context, 9);
  ASSERT_EQ(response_.ids().strings_size(), 2);
  EXPECT_EQ(response_.ids().strings(0), items[expected[0].item].text_id);
  EXPECT_EQ(response_.ids().strings(1), items[expected[1].item].text_id);
  EXPECT_THAT(response_.bids(),
              ElementsAre(items[expected[0].item].bid, items[expected[1].item].bid));
  EXPECT_EQ(response_.catalogue_version(), 5U);
}

TEST(Ranker, SaysThatAModelHasNoCatalogue) {
  const loader::Snapshot snapshot(SampleFiles().weights, Kernels());
  const FakeClock clock{nanoseconds(0)};
  const auto budget = RequestBudget::Start(clock, clock.Now(), hours(1), nanoseconds(0), hours(1));
  TopKScratch scratch;
  v1::TopKResponse response;
  v1::TopKRequest request;
  request.set_k(1);
  request.mutable_features();
  const absl::Status status = TopK(snapshot, RequestLimits(), budget, request, &scratch, &response);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace fmserve::server
