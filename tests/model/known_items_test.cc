// Items of a catalogue by their ids: FoldedCatalogue::Find and Score.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/folded_catalogue.h"
#include "model/item_index.h"
#include "tests/model/int8_bound.h"
#include "tests/model/test_catalogue.h"
#include "tests/model/test_model.h"

namespace fmserve::model {
namespace {

Vectors RandomItems(uint32_t k, size_t count) {
  std::mt19937 random(k);
  std::normal_distribution<float> normal;
  Vectors items;
  items.k = k;
  for (size_t i = 0; i < count; ++i) {
    std::vector<float>& v = items.v.emplace_back(k);
    for (float& value : v) value = normal(random);
    items.biases.push_back(normal(random));
  }
  return items;
}

TEST(KnownItemsTest, ScoreAsTheirFeaturesDo) {
  for (const uint32_t k : {1U, 8U, 16U, 17U, 64U, 256U}) {
    const TestFiles files = FilesOf(RandomItems(k, 500));
    for (const KernelTable* kernels : SupportedKernels()) {
      const auto folded = FoldOf(files, *kernels);
      Scratch scratch;
      ScoreTestContext(files, *kernels, 2, scratch);
      std::vector<uint32_t> items(500);
      for (size_t i = 0; i < items.size(); ++i) items[i] = static_cast<uint32_t>(i * 7 % 500);
      std::vector<float> scores(items.size());
      folded->Score(items, scratch, scores);
      const Scorer scorer(*files.weights, *kernels);
      for (size_t i = 0; i < items.size(); ++i) {
        const FeatureSpan features = files.catalogue->features(items[i]);
        const uint32_t length = static_cast<uint32_t>(features.keys.size());
        float expected = 0.0F;
        scorer.ScoreCandidates(features, std::span(&length, 1), scratch, std::span(&expected, 1));
        EXPECT_NEAR(scores[i], expected, 1e-5 * (1.0 + std::abs(expected)))
            << kernels->name << " k=" << k;
      }
    }
  }
}

TEST(KnownItemsTest, ScoreInInt8WithinTheBound) {
  for (const uint32_t k : {1U, 8U, 16U, 17U, 64U, 256U}) {
    const Vectors vectors = RandomItems(k, 500);
    const TestFiles files = FilesOf(vectors);
    for (const KernelTable* kernels : SupportedKernels()) {
      const auto folded = FoldOf(files, *kernels, ItemVectors::kInt8);
      Scratch scratch;
      ScoreTestContext(files, *kernels, 2, scratch);
      std::vector<uint32_t> items(500);
      for (size_t i = 0; i < items.size(); ++i) items[i] = static_cast<uint32_t>(i * 7 % 500);
      std::vector<float> in_int8(items.size());
      std::vector<float> in_f32(items.size());
      folded->Score(items, scratch, in_int8);
      FoldOf(files, *kernels)->Score(items, scratch, in_f32);
      for (size_t i = 0; i < items.size(); ++i) {
        const double bound = Int8Bound(vectors.v[items[i]], scratch.context_sums().first(k),
                                       scratch.context_score(), vectors.biases[items[i]]);
        EXPECT_NEAR(in_int8[i], in_f32[i], bound + 1e-5) << kernels->name << " k=" << k;
      }
    }
  }
}

TEST(KnownItemsTest, TheBestAreExactWhateverTheirVectorsAreKeptIn) {
  const TestFiles files = FilesOf(RandomItems(64, 500));
  const KernelTable& kernels = **DefaultKernels();
  Scratch scratch;
  ScoreTestContext(files, kernels, 1, scratch);
  const std::vector<RankedItem> expected = BruteForce(files, kernels, scratch, 20);
  for (const ItemVectors vectors : {ItemVectors::kF32, ItemVectors::kInt8}) {
    TopKMemory memory;
    const auto folded = FoldOf(files, kernels, vectors);
    const TopK best = folded->Best(scratch, 20, nullptr, Always, memory);
    ASSERT_EQ(best.items.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(best.items[i].item, expected[i].item);
      EXPECT_EQ(best.items[i].score, expected[i].score);
    }
  }
}

TEST(KnownItemsTest, TakeAQuarterOfTheMemoryInInt8) {
  const TestFiles files = FilesOf(RandomItems(64, 500));
  const KernelTable& kernels = **DefaultKernels();
  EXPECT_EQ(FoldOf(files, kernels)->bytes() - FoldOf(files, kernels, ItemVectors::kInt8)->bytes(),
            500U * (260 - 64));
}

TEST(KnownItemsTest, AScoreDoesNotDependOnWhatStandsBesideIt) {
  const TestFiles files = FilesOf(RandomItems(16, 100));
  const KernelTable& kernels = **DefaultKernels();
  Scratch scratch;
  ScoreTestContext(files, kernels, 0, scratch);
  std::vector<uint32_t> items(100);
  for (uint32_t i = 0; i < 100; ++i) items[i] = i;
  for (const ItemVectors vectors : {ItemVectors::kF32, ItemVectors::kInt8}) {
    const auto folded = FoldOf(files, kernels, vectors);
    std::vector<float> together(100);
    folded->Score(items, scratch, together);
    for (uint32_t i = 0; i < 100; ++i) {
      float alone = 0.0F;
      folded->Score(std::span(&items[i], 1), scratch, std::span(&alone, 1));
      EXPECT_EQ(alone, together[i]);
    }
    folded->Score({}, scratch, {});
  }
}

TEST(ItemIndexTest, FindsEveryIntegerIdAndNoOther) {
  std::mt19937_64 random(1);
  for (const size_t size : {0UL, 1UL, 2UL, 31UL, 32UL, 33UL, 5000UL}) {
    std::vector<uint64_t> ids(size);
    for (uint64_t& id : ids) id = random() >> (random() % 60);
    if (size > 0) ids[0] = 0;
    if (size > 1) ids[1] = UINT64_MAX;
    std::ranges::sort(ids);
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    const ItemIds all{std::span<const uint64_t>(ids)};
    const auto index = ItemIndex::Build(all, NeverStop);
    ASSERT_TRUE(index.ok()) << index.status();
    std::vector<uint32_t> items(ids.size());
    index->Find(ids, items);
    for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(items[i], i);
    for (int i = 0; i < 1000; ++i) {
      const uint64_t id = random() >> (random() % 60);
      uint32_t item = 0;
      index->Find(std::span(&id, 1), std::span(&item, 1));
      EXPECT_EQ(item, all.Find(id).value_or(kNoItem));
    }
  }
}

TEST(ItemIndexTest, FindsEveryStringIdAndNoOther) {
  std::vector<std::string> names;
  for (int i = 0; i < 3000; ++i) names.push_back(absl::StrCat("item ", i * 3));
  std::ranges::sort(names);
  std::string text;
  std::vector<uint64_t> ends;
  for (const std::string& name : names) ends.push_back((text += name).size());
  const ItemIds all(ends, text);
  const auto index = ItemIndex::Build(all, NeverStop);
  ASSERT_TRUE(index.ok()) << index.status();
  const std::vector<std::string_view> ids(names.begin(), names.end());
  std::vector<uint32_t> items(ids.size());
  index->Find(ids, items);
  for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(items[i], i);
  for (const std::string_view id : {"", "item 1", "item", "item 99999"}) {
    uint32_t item = 0;
    index->Find(std::span(&id, 1), std::span(&item, 1));
    EXPECT_EQ(item, kNoItem) << id;
  }
}

TEST(ItemIndexTest, FindsNothingForIdsOfTheOtherType) {
  const uint64_t id = 5;
  const std::string_view text = "5";
  const ItemIds all{std::span(&id, 1)};
  const auto index = ItemIndex::Build(all, NeverStop);
  ASSERT_TRUE(index.ok()) << index.status();
  uint32_t item = 0;
  index->Find(std::span(&text, 1), std::span(&item, 1));
  EXPECT_EQ(item, kNoItem);
}

TEST(ItemIndexTest, StopsWhenItIsToldTo) {
  const uint64_t id = 5;
  const ItemIds all{std::span(&id, 1)};
  const auto stop = [] { return absl::CancelledError("stopped"); };
  EXPECT_TRUE(absl::IsCancelled(ItemIndex::Build(all, stop).status()));
}

}  // namespace
}  // namespace fmserve::model
