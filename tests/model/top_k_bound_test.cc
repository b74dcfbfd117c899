// The best K stay exact where the scan's bounds can hardly tell items apart, and where a filter
// leaves little between them.
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/item_filter.h"
#include "tests/model/test_catalogue.h"

namespace fmserve::model {
namespace {

constexpr size_t kItems = 5000;

// Items near one vector: of all their distances about `distance`.
Vectors NearEachOther(uint32_t k, float distance) {
  std::mt19937 random(k);
  std::normal_distribution<float> normal;
  std::vector<float> center(k);
  for (float& value : center) value = normal(random);
  Vectors items;
  items.k = k;
  for (size_t i = 0; i < kItems; ++i) {
    items.v.push_back(center);
    for (float& value : items.v.back()) value += distance * normal(random);
    items.biases.push_back(distance * normal(random));
  }
  return items;
}

TEST(TopKBoundTest, IsExactForItemsThatHighHalvesDoNotTellApart) {
  for (const uint32_t k : {3, 16, 64, 256})
    ExpectExact(FilesOf(NearEachOther(k, 1e-2F)), absl::StrCat("k=", k));
}

TEST(TopKBoundTest, IsExactForItemsThatBothHalvesDoNotTellApart) {
  for (const uint32_t k : {3, 16, 64})
    ExpectExact(FilesOf(NearEachOther(k, 1e-6F)), absl::StrCat("k=", k));
}

// Whatever K is, items at its end have equals on both sides of it.
TEST(TopKBoundTest, IsExactForItemsThatEqualTheThreshold) {
  for (const uint32_t k : {4, 64}) {
    Vectors items = NearEachOther(k, 1.0F);
    for (size_t i = 0; i < kItems; ++i) {
      items.v[i] = items.v[i % 7];
      items.biases[i] = items.biases[i % 7];
    }
    ExpectExact(FilesOf(items), absl::StrCat("k=", k));
  }
}

TEST(TopKBoundTest, IsExactForZeroVectorsAmongOthers) {
  for (const uint32_t k : {1, 64}) {
    Vectors items = NearEachOther(k, 1.0F);
    for (size_t i = 0; i < kItems; ++i) {
      if (i % 3 != 0) items.v[i].assign(k, 0.0F);
      if (i % 3 == 1) items.biases[i] = static_cast<float>(i % 5);
    }
    ExpectExact(FilesOf(items), absl::StrCat("k=", k));
  }
}

TEST(TopKBoundTest, IsExactForDenormals) {
  constexpr float kTiny = std::numeric_limits<float>::denorm_min();
  std::mt19937 random(1);
  Vectors items = NearEachOther(16, 1.0F);
  for (size_t i = 0; i < kItems; ++i) {
    for (float& value : items.v[i]) value = kTiny * static_cast<float>(random() % 300);
    items.biases[i] = kTiny * static_cast<float>(random() % 3);
  }
  ExpectExact(FilesOf(items), "denormals alone");
  items.v[77].assign(16, 1e9F);
  items.v[78].assign(16, -1e-30F);
  ExpectExact(FilesOf(items), "beside large ones");
}

// One item in 2 to one of all, even ones and such as lie together: groups of which nothing is
// wanted, a little, or all.
TEST(TopKBoundTest, IsExactBehindSparseFilters) {
  constexpr size_t kMany = 40'000;
  constexpr size_t kShares[] = {2, 10, 100, 1000, 10'000, kMany};
  Vectors items;
  items.k = 12;
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (size_t i = 0; i < kMany; ++i) {
    std::vector<float> v(items.k);
    // Norms fall, so that the scan takes items by their numbers.
    for (float& value : v)
      value = std::copysign(2.0F - 1e-5F * static_cast<float>(i), normal(random));
    items.v.push_back(v);
    items.biases.push_back(normal(random));
  }
  const auto is_of = [](size_t item, size_t share) { return item % share == share / 2; };
  const auto is_together = [](size_t item) { return item / 3000 % 4 == 1 || item > kMany - 20; };
  const TestFiles files = FilesOf(items, {"share"}, [&](size_t item, size_t) {
    static const std::vector<std::string> names = {"2", "10", "100", "1000", "10000", "40000"};
    std::vector<std::string_view> values;
    for (size_t s = 0; s < names.size(); ++s) {
      if (is_of(item, kShares[s])) values.emplace_back(names[s]);
    }
    if (is_together(item)) values.emplace_back("together");
    return values;
  });
  for (const KernelTable* kernels : SupportedKernels()) {
    const auto folded = FoldOf(files, *kernels);
    Scratch context;
    ScoreTestContext(files, *kernels, 0, context);
    TopKMemory memory;
    const auto check = [&](std::string_view name, const std::function<bool(uint32_t)>& wanted) {
      ItemFilter filter;
      filter.Begin(*folded);
      const std::string_view values[] = {name};
      ASSERT_TRUE(filter.AttributeIn("share", values).ok());
      ASSERT_TRUE(filter.End().ok());
      for (const size_t k : {1, 100, 1000}) {
        SCOPED_TRACE(absl::StrCat(std::string(kernels->name), " ", std::string(name), " K=", k));
        ExpectRanked(folded->Best(context, k, &filter, Always, memory),
                     BruteForce(files, *kernels, context, k, wanted), kMany);
      }
    };
    for (const size_t share : kShares)
      check(std::to_string(share), [&](uint32_t item) { return is_of(item, share); });
    check("together", is_together);
  }
}

}  // namespace
}  // namespace fmserve::model
