#include "model/item_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/model/test_catalogue.h"

namespace fmserve::model {
namespace {

using ::testing::HasSubstr;
using Values = std::vector<std::string_view>;

// Attribute "shade" has 40 values, of which an item has up to three; some are rare (a list), some
// frequent (a bitmap). "parity" is odd or even.
class ItemFilterTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kItems = 5000;

  ItemFilterTest() {
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    items_.k = 8;
    items_.v.assign(kItems, std::vector<float>(8));
    items_.biases.resize(kItems);
    shades_.resize(kItems);
    for (int i = 0; i < 40; ++i) names_.push_back(absl::StrCat("shade ", i));
    for (uint32_t item = 0; item < kItems; ++item) {
      for (float& value : items_.v[item]) value = normal(random);
      for (uint32_t n = random() % 4; n > 0; --n) {
        const uint32_t spread = 1U << (random() % 6);
        shades_[item].insert(static_cast<int>(random() % std::min(spread + 8, 40U)));
      }
    }
    files_ = FilesOf(items_, {"shade", "parity"}, [&](size_t item, size_t attribute) {
      if (attribute == 1) return Values{item % 2 == 0 ? "even" : "odd"};
      Values values;
      for (const int shade : shades_[item]) values.emplace_back(names_[shade]);
      return values;
    });
    folded_ = FoldOf(files_, kernels_);
    ScoreTestContext(files_, kernels_, 0, context_);
  }

  bool HasShade(uint32_t item, int shade) const { return shades_[item].contains(shade); }

  // The filter lets exactly the items through that `wanted` names, and the best of them are those
  // of a brute-force scan.
  void ExpectLetsThrough(const std::function<bool(uint32_t)>& wanted) {
    ASSERT_TRUE(filter_.End().ok());
    uint32_t count = 0;
    for (uint32_t item = 0; item < kItems; ++item) count += wanted(item) ? 1 : 0;
    EXPECT_EQ(filter_.CountItems(), count);
    for (const size_t k : {1, 20, 1000}) {
      const TopK top = folded_->Best(context_, k, &filter_, Always, memory_);
      const std::vector<RankedItem> expected = BruteForce(files_, kernels_, context_, k, wanted);
      ASSERT_EQ(top.items.size(), expected.size());
      for (size_t i = 0; i < expected.size(); ++i) {
        ASSERT_EQ(top.items[i].item, expected[i].item) << "K=" << k << " rank " << i;
        ASSERT_EQ(top.items[i].score, expected[i].score);
      }
      EXPECT_EQ(top.covered_items, kItems);
    }
  }

  absl::Status In(const Values& values) { return filter_.AttributeIn("shade", values); }
  absl::Status NotIn(const Values& values) { return filter_.AttributeNotIn("shade", values); }

  const KernelTable& kernels_ = *SupportedKernels().back();
  Vectors items_;
  std::vector<std::string> names_;
  std::vector<std::set<int>> shades_;
  TestFiles files_;
  std::shared_ptr<const FoldedCatalogue> folded_;
  Scratch context_;
  TopKMemory memory_;
  ItemFilter filter_;
};

TEST_F(ItemFilterTest, InLetsItemsWithAnyOfTheValuesThrough) {
  for (int shade = 0; shade < 40; ++shade) {
    filter_.Begin(*folded_);
    ASSERT_TRUE(In({names_[shade]}).ok());
    ExpectLetsThrough([&](uint32_t item) { return HasShade(item, shade); });
  }
  filter_.Begin(*folded_);
  ASSERT_TRUE(In({names_[1], names_[30]}).ok());
  ExpectLetsThrough([&](uint32_t item) { return HasShade(item, 1) || HasShade(item, 30); });
}

TEST_F(ItemFilterTest, NotInLetsItemsWithNoneOfTheValuesThrough) {
  filter_.Begin(*folded_);
  ASSERT_TRUE(NotIn({names_[0], names_[20], "unheard of"}).ok());
  ExpectLetsThrough([&](uint32_t item) { return !HasShade(item, 0) && !HasShade(item, 20); });
}

TEST_F(ItemFilterTest, ValuesThatNoItemHasLetNothingThrough) {
  filter_.Begin(*folded_);
  ASSERT_TRUE(In({"unheard of"}).ok());
  ExpectLetsThrough([](uint32_t) { return false; });
  filter_.Begin(*folded_);
  ASSERT_TRUE(In({}).ok());
  ExpectLetsThrough([](uint32_t) { return false; });
  filter_.Begin(*folded_);
  ASSERT_TRUE(NotIn({}).ok());
  ExpectLetsThrough([](uint32_t) { return true; });
}

TEST_F(ItemFilterTest, ExcludesItemsById) {
  const std::vector<uint64_t> ids = {0, 17, 4999, 123'456'789, 17};
  filter_.Begin(*folded_);
  ASSERT_TRUE(filter_.ExcludeIds(ids).ok());
  ExpectLetsThrough([](uint32_t item) { return item != 0 && item != 17 && item != 4999; });
}

TEST_F(ItemFilterTest, AndAndOrNest) {
  const std::vector<uint64_t> ids = {4, 8, 16};
  filter_.Begin(*folded_);
  ASSERT_TRUE(In({names_[0]}).ok());
  ASSERT_TRUE(filter_.AttributeIn("parity", Values{"even"}).ok());
  ASSERT_TRUE(filter_.And(2).ok());
  ASSERT_TRUE(NotIn({names_[1]}).ok());
  ASSERT_TRUE(filter_.Or(2).ok());
  ASSERT_TRUE(filter_.ExcludeIds(ids).ok());
  ASSERT_TRUE(filter_.And(2).ok());
  ExpectLetsThrough([&](uint32_t item) {
    const bool either = (HasShade(item, 0) && item % 2 == 0) || !HasShade(item, 1);
    return either && item != 4 && item != 8 && item != 16;
  });
}

TEST_F(ItemFilterTest, RandomExpressionsAreThoseOfAPredicate) {
  std::mt19937 random(5);
  for (int round = 0; round < 50; ++round) {
    filter_.Begin(*folded_);
    std::vector<std::function<bool(uint32_t)>> stack;
    for (int leaf = 0; leaf < 5; ++leaf) {
      const int shade = static_cast<int>(random() % 40);
      const bool in = random() % 2 == 0;
      ASSERT_TRUE((in ? In({names_[shade]}) : NotIn({names_[shade]})).ok());
      stack.emplace_back([this, shade, in](uint32_t item) { return HasShade(item, shade) == in; });
      if (stack.size() < 2 || random() % 2 == 0) continue;
      const bool both = random() % 2 == 0;
      ASSERT_TRUE((both ? filter_.And(2) : filter_.Or(2)).ok());
      const auto last = stack.back();
      stack.pop_back();
      stack.back() = [both, before = stack.back(), last](uint32_t item) {
        return both ? before(item) && last(item) : before(item) || last(item);
      };
    }
    ASSERT_TRUE(filter_.Or(stack.size()).ok());
    ExpectLetsThrough([&](uint32_t item) {
      return std::any_of(stack.begin(), stack.end(), [&](const auto& set) { return set(item); });
    });
  }
}

TEST_F(ItemFilterTest, RefusesWhatMakesNoSenseAndNamesIt) {
  const auto message = [](const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  filter_.Begin(*folded_);
  EXPECT_THAT(message(filter_.End()), HasSubstr("0 sets"));
  EXPECT_THAT(message(filter_.AttributeIn("size", Values{"xl"})), HasSubstr("attribute 'size'"));
  EXPECT_THAT(message(filter_.ExcludeIds(Values{"a"})), HasSubstr("integers, not strings"));
  EXPECT_THAT(message(filter_.And(1)), HasSubstr("1 sets where 0"));
  ASSERT_TRUE(In({names_[0]}).ok());
  EXPECT_THAT(message(filter_.Or(0)), HasSubstr("0 sets"));
  EXPECT_THAT(message(filter_.And(2)), HasSubstr("2 sets where 1"));
  ASSERT_TRUE(In({names_[0]}).ok());
  EXPECT_THAT(message(filter_.End()), HasSubstr("2 sets"));
}

TEST_F(ItemFilterTest, HasLimits) {
  filter_.Begin(*folded_);
  for (size_t i = 0; i < kMaxFilterDepth; ++i) ASSERT_TRUE(In({}).ok());
  EXPECT_THAT(std::string(In({}).message()), HasSubstr("more than 16 sets"));
  filter_.Begin(*folded_);
  ASSERT_TRUE(In({}).ok());
  for (size_t i = 1; i < kMaxFilterOperations; ++i) ASSERT_TRUE(filter_.And(1).ok());
  EXPECT_THAT(std::string(filter_.And(1).message()), HasSubstr("256 operations"));
  filter_.Begin(*folded_);
  const std::vector<uint64_t> ids(kMaxFilterTerms);
  ASSERT_TRUE(filter_.ExcludeIds(ids).ok());
  EXPECT_THAT(std::string(In({"x"}).message()), HasSubstr("10000 values and ids"));
}

}  // namespace
}  // namespace fmserve::model
