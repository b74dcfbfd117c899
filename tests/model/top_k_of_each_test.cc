// Contexts that share a scan get exactly what each gets alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/item_filter.h"
#include "tests/model/test_catalogue.h"

namespace fmserve::model {
namespace {

constexpr size_t kMostContexts = kScanContexts + 1;

enum class Norms { kEqual, kFalling, kTied };

Vectors ItemsOf(uint32_t k, size_t n, Norms norms) {
  std::mt19937 random(static_cast<uint32_t>(k + n));
  std::normal_distribution<float> normal;
  Vectors items;
  items.k = k;
  for (size_t i = 0; i < n; ++i) {
    const float scale = norms == Norms::kFalling ? 1.0F / (1.0F + static_cast<float>(i)) : 1.0F;
    std::vector<float> v(k);
    for (float& value : v)
      value = norms == Norms::kTied ? static_cast<float>(i % 3) : scale * normal(random);
    items.v.push_back(std::move(v));
    items.biases.push_back(norms == Norms::kTied ? 0.5F : scale * normal(random));
  }
  return items;
}

// What Best gives, kept.
struct Answer {
  std::vector<RankedItem> items;
  uint32_t covered_items = 0;
};

Answer KeptOf(const TopK& top) {
  return {.items = {top.items.begin(), top.items.end()}, .covered_items = top.covered_items};
}

void ExpectSame(const TopK& top, const Answer& alone) {
  EXPECT_EQ(top.covered_items, alone.covered_items);
  ASSERT_EQ(top.items.size(), alone.items.size());
  for (size_t i = 0; i < alone.items.size(); ++i) {
    ASSERT_EQ(top.items[i].item, alone.items[i].item) << "rank " << i;
    ASSERT_EQ(top.items[i].score, alone.items[i].score) << "rank " << i;
  }
}

// A catalogue with the sums of the test contexts; items are "even" or "odd", and one is "rare".
class Scans {
 public:
  Scans(const Vectors& items, const KernelTable& kernels)
      : files_(FilesOf(items, {"parity"},
                       [](size_t item, size_t) {
                         std::vector<std::string_view> values = {item % 2 == 0 ? "even" : "odd"};
                         if (item == 5) values.emplace_back("rare");
                         return values;
                       })),
        folded_(FoldOf(files_, kernels)) {
    for (int64_t user = 0; user < kTestContexts; ++user)
      ScoreTestContext(files_, kernels, user, contexts_[user]);
    Scorer(*files_.weights, kernels).ScoreContext({}, contexts_[kTestContexts]);
    Begin(odd_, "odd");
    Begin(rare_, "rare");
    Begin(none_, "nothing has this");
  }

  const FoldedCatalogue& folded() const { return *folded_; }

  // Contexts, K and filters that differ from one query to the next.
  std::vector<ContextQuery> Queries(size_t count) const {
    constexpr size_t kKs[] = {10, 1, 0, 100, 1000, 3, 1500};
    const ItemFilter* const filters[] = {nullptr, &odd_, nullptr, &rare_, &none_};
    std::vector<ContextQuery> queries;
    for (size_t i = 0; i < count; ++i) {
      queries.push_back({.context = &contexts_[i % std::size(contexts_)],
                         .k = kKs[i % std::size(kKs)],
                         .filter = filters[i / 2 % std::size(filters)]});
    }
    return queries;
  }

 private:
  void Begin(ItemFilter& filter, std::string_view value) const {
    filter.Begin(*folded_);
    const std::string_view values[] = {value};
    EXPECT_TRUE(filter.AttributeIn("parity", values).ok());
    EXPECT_TRUE(filter.End().ok());
  }

  TestFiles files_;
  std::shared_ptr<const FoldedCatalogue> folded_;
  Scratch contexts_[kTestContexts + 1];
  ItemFilter odd_;
  ItemFilter rare_;
  ItemFilter none_;
};

void ExpectEachAsAlone(const Scans& scans, size_t count, std::vector<TopKMemory>& memories) {
  const std::vector<ContextQuery> queries = scans.Queries(count);
  std::vector<Answer> alone;
  TopKMemory memory;
  for (const ContextQuery& query : queries) {
    alone.push_back(
        KeptOf(scans.folded().Best(*query.context, query.k, query.filter, Always, memory)));
  }
  std::vector<TopK> tops(count);
  scans.folded().BestOfEach(
      queries, [](size_t) { return true; }, std::span(memories).first(count), tops);
  for (size_t i = 0; i < count; ++i) {
    SCOPED_TRACE(absl::StrCat("query ", i, " of ", count));
    ExpectSame(tops[i], alone[i]);
  }
}

void ExpectEachAsAlone(const Vectors& items, const std::vector<size_t>& counts) {
  for (const KernelTable* kernels : SupportedKernels()) {
    SCOPED_TRACE(absl::StrCat(std::string(kernels->name), " k=", items.k, " n=", items.v.size()));
    const Scans scans(items, *kernels);
    std::vector<TopKMemory> memories(*std::max_element(counts.begin(), counts.end()));
    for (const size_t count : counts) ExpectEachAsAlone(scans, count, memories);
  }
}

TEST(TopKOfEachTest, IsThatOfEachAloneWhateverTheNumberOfContexts) {
  std::vector<size_t> counts;
  for (size_t count = 0; count <= kMostContexts; ++count) counts.push_back(count);
  counts.push_back(3 * kScanContexts + 5);
  ExpectEachAsAlone(ItemsOf(16, 5000, Norms::kEqual), counts);
}

TEST(TopKOfEachTest, IsThatOfEachAloneForEveryNumberOfFactors) {
  for (const uint32_t k : {1, 2, 3, 4, 5, 7, 8, 15, 17, 20, 31, 32, 33, 64, 100, 127, 255, 256})
    ExpectEachAsAlone(ItemsOf(k, 1500, Norms::kEqual), {kMostContexts});
}

TEST(TopKOfEachTest, IsThatOfEachAloneAtEveryEdgeOfBlocksAndGroups) {
  for (const size_t n : {0, 1, 15, 16, 17, 1023, 1024, 1025, 2049})
    ExpectEachAsAlone(ItemsOf(8, n, Norms::kEqual), {3, kMostContexts});
}

TEST(TopKOfEachTest, ContextsThatProveTheRestOutOfReachDropOut) {
  ExpectEachAsAlone(ItemsOf(16, 20'000, Norms::kFalling), {5, kMostContexts});
}

TEST(TopKOfEachTest, TiesAreBrokenByItemNumberInEach) {
  ExpectEachAsAlone(ItemsOf(8, 6000, Norms::kTied), {7, kMostContexts});
}

// Sums so large that floats overflow: every item survives.
TEST(TopKOfEachTest, IsThatOfEachAloneWhereFloatsWouldOverflow) {
  Vectors items = ItemsOf(8, 3000, Norms::kEqual);
  for (std::vector<float>& v : items.v) {
    for (float& value : v) value *= 3e37F;
  }
  ExpectEachAsAlone(items, {kMostContexts});
}

// Each query is asked at the places where Best asks, and stops at its own answer alone.
TEST(TopKOfEachTest, AContextThatIsStoppedLeavesTheOthersAlone) {
  const Scans scans(ItemsOf(16, 60'000, Norms::kEqual), *SupportedKernels().back());
  const std::vector<ContextQuery> queries = scans.Queries(kMostContexts);
  const auto patience = [](size_t query) { return static_cast<int>(query % 4); };  // 0: for ever
  const auto goes_on = [&](size_t query, int question) {
    return patience(query) == 0 || question < patience(query);
  };
  std::vector<int> asked(queries.size());
  std::vector<TopKMemory> memories(queries.size());
  std::vector<TopK> tops(queries.size());
  scans.folded().BestOfEach(
      queries, [&](size_t query) { return goes_on(query, ++asked[query]); }, memories, tops);
  TopKMemory memory;
  for (size_t i = 0; i < queries.size(); ++i) {
    SCOPED_TRACE(absl::StrCat("query ", i));
    int questions = 0;
    const TopK alone = scans.folded().Best(
        *queries[i].context, queries[i].k, queries[i].filter,
        [&] { return goes_on(i, ++questions); }, memory);
    ExpectSame(tops[i], KeptOf(alone));
    EXPECT_EQ(asked[i], questions);
  }
  EXPECT_EQ(tops[1].covered_items, 0U);
  EXPECT_EQ(tops[0].covered_items, 60'000U);
}

}  // namespace
}  // namespace fmserve::model
