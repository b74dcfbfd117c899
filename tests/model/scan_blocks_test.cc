// The scan in int8, by the high four bits and by all eight: every implementation computes the same,
// and no score is further from the true one than its bound says, whatever the vectors.
#include "model/scan_blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <utility>
#include <vector>

namespace fmserve::model {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();

// Items and a context as plain numbers.
struct ScanProblem {
  uint32_t k = 1;
  std::vector<float> vectors;  // PaddedK(k) per item
  std::vector<double> biases;
  std::vector<float> sums;  // PaddedK(k)

  std::span<const float> vector(size_t item) const {
    return std::span(vectors).subspan(item * PaddedK(k), PaddedK(k));
  }
};

ScanProblem MakeProblem(uint32_t k, uint32_t items_count) {
  return {.k = k,
          .vectors = std::vector<float>(items_count * PaddedK(k)),
          .biases = std::vector<double>(items_count),
          .sums = std::vector<float>(PaddedK(k))};
}

ScanBlocks Encoded(const ScanProblem& problem) {
  const auto items_count = static_cast<uint32_t>(problem.biases.size());
  ScanBlocks blocks = ScanBlocks::Allocate(items_count, problem.k).value();
  for (uint32_t b = 0; b < blocks.blocks_count(); ++b) {
    const size_t first = size_t{b} * kScanBlockItems;
    const size_t count = blocks.ItemsOf(b);
    blocks.Encode(
        b,
        std::span(problem.vectors).subspan(first * PaddedK(problem.k), count * PaddedK(problem.k)),
        std::span(problem.biases).subspan(first, count));
  }
  blocks.Finish();
  return blocks;
}

// By which planes a block is scored.
enum class Planes { kHigh, kBoth };

// The hits of the first group.
std::vector<ScanHit> HitsOf(const ScanBlocks& blocks, const ScanContext& context,
                            const KernelTable& kernels, Planes planes, float threshold,
                            const uint64_t* filter = nullptr) {
  const ScanGroupPlanes group = blocks.group(0);
  std::vector<ScanHit> hits(kScanGroupBlocks);
  hits.resize(kernels.scan(context, group, filter, threshold, hits.data()));
  if (planes == Planes::kBoth)
    hits.resize(kernels.refine(context, group, threshold, hits.data(), hits.size()));
  return hits;
}

std::vector<uint32_t> ItemsOf(const std::vector<ScanHit>& hits) {
  std::vector<uint32_t> items;
  for (const ScanHit& hit : hits) {
    for (uint32_t bit = 0; bit < 16; ++bit) {
      if ((hit.mask >> bit & 1) != 0) items.push_back(hit.block * 16 + bit);
    }
  }
  return items;
}

struct Scanned {
  std::vector<ScanHit> hits;
  float score(uint32_t item) const { return hits[item / 16].scores[item % 16]; }
};

// All blocks of the first group with a threshold that everything reaches.
Scanned ScanAll(const ScanBlocks& blocks, const ScanContext& context, const KernelTable& kernels,
                Planes planes) {
  return {.hits = HitsOf(blocks, context, kernels, planes, kNone)};
}

// In long double, so that the reference has no roundings to speak of.
long double TrueScore(const ScanProblem& problem, size_t item) {
  long double score = problem.biases[item];
  for (uint32_t f = 0; f < problem.k; ++f)
    score += static_cast<long double>(problem.vector(item)[f]) * problem.sums[f];
  return score;
}

// How much of the bound the worst item uses.
double CheckBound(const ScanProblem& problem, const char* what, Planes planes) {
  const ScanBlocks blocks = Encoded(problem);
  const ScanContext context = blocks.Quantize(problem.sums);
  double worst = 0.0;
  for (const KernelTable* kernels : SupportedKernels()) {
    const Scanned scanned = ScanAll(blocks, context, *kernels, planes);
    EXPECT_EQ(scanned.hits.size(), blocks.blocks_count());
    for (uint32_t item = 0; item < problem.biases.size(); ++item) {
      const long double error = std::abs(scanned.score(item) - TrueScore(problem, item));
      const float bound = scanned.hits[item / 16].error;
      EXPECT_LE(error, static_cast<long double>(bound))
          << what << " " << kernels->name << (planes == Planes::kHigh ? " high" : " both")
          << " k=" << problem.k << " item=" << item;
      if (bound > 0.0F) worst = std::max(worst, static_cast<double>(error / bound));
    }
  }
  return worst;
}

void CheckBounds(const ScanProblem& problem, const char* what) {
  CheckBound(problem, what, Planes::kHigh);
  CheckBound(problem, what, Planes::kBoth);
}

TEST(ScanBoundTest, HoldsForRandomVectorsOfAnyScale) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> exponent(-30.0F, 12.0F);
  for (const uint32_t k : {1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 64, 100, 255, 256}) {
    for (int round = 0; round < 20; ++round) {
      ScanProblem problem = MakeProblem(k, 40);
      const float scale = std::pow(10.0F, exponent(random));
      const float context_scale = std::pow(10.0F, exponent(random));
      for (size_t item = 0; item < 40; ++item) {
        for (uint32_t f = 0; f < k; ++f)
          problem.vectors[item * PaddedK(k) + f] = scale * normal(random);
        problem.biases[item] = double{normal(random)} * scale * context_scale;
      }
      for (uint32_t f = 0; f < k; ++f) problem.sums[f] = context_scale * normal(random);
      CheckBounds(problem, "random");
    }
  }
}

// Every factor lies halfway between two stored numbers, on the side that hurts: what storing loses
// is parallel to the context.
TEST(ScanBoundTest, HoldsAndIsNearlyReachedForTheWorstVectors) {
  for (const uint32_t k : {1, 4, 16, 64, 256}) {
    ScanProblem problem = MakeProblem(k, 16);
    for (size_t item = 0; item < 16; ++item) {
      for (uint32_t f = 0; f < k; ++f) {
        const float sign = f % 2 == 0 ? 1.0F : -1.0F;
        problem.vectors[item * PaddedK(k) + f] = sign * (50.0F + static_cast<float>(item) + 0.499F);
      }
    }
    problem.vectors[15 * PaddedK(k)] = 127.0F;  // one step is 1
    for (uint32_t f = 0; f < k; ++f) problem.sums[f] = f % 2 == 0 ? 1.0F : -1.0F;
    EXPECT_GT(CheckBound(problem, "worst", Planes::kBoth), k == 1 ? 0.1 : 0.9);
  }
}

// Every factor lies where it only just has its high nibble, half a step below the lowest factor
// that is stored with it: the middle is furthest, and all in the direction of the context.
TEST(ScanBoundTest, HoldsAndIsNearlyReachedForTheWorstLowNibbles) {
  for (const uint32_t k : {1, 4, 16, 64, 256}) {
    ScanProblem problem = MakeProblem(k, 16);
    for (size_t item = 0; item < 16; ++item) {
      for (uint32_t f = 0; f < k; ++f)
        problem.vectors[item * PaddedK(k) + f] = 16.0F * static_cast<float>(item) - 112.499F;
    }
    problem.vectors[15 * PaddedK(k)] = 127.0F;  // one step is 1
    for (uint32_t f = 0; f < k; ++f) problem.sums[f] = 1.0F;
    EXPECT_GT(CheckBound(problem, "worst", Planes::kHigh), 0.99);
    CheckBound(problem, "worst", Planes::kBoth);
  }
}

TEST(ScanBoundTest, HoldsWithOneHugeItemAmongTinyOnes) {
  ScanProblem problem = MakeProblem(8, 16);
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (float& value : problem.vectors) value = 1e-6F * normal(random);
  problem.vectors[5 * PaddedK(8)] = 1e6F;
  for (uint32_t f = 0; f < 8; ++f) problem.sums[f] = normal(random);
  CheckBounds(problem, "one huge item");
}

TEST(ScanBoundTest, HoldsWhereFloatsUnderflow) {
  for (const float tiny : {1e-38F, 1e-42F, std::numeric_limits<float>::denorm_min()}) {
    ScanProblem problem = MakeProblem(16, 20);
    for (size_t i = 0; i < problem.vectors.size(); ++i)
      problem.vectors[i] = tiny * static_cast<float>(i % 7);
    for (uint32_t f = 0; f < 16; ++f) problem.sums[f] = tiny * static_cast<float>(f);
    problem.biases[3] = double{tiny};
    CheckBounds(problem, "underflow");
  }
}

TEST(ScanBoundTest, EverythingIsAHitWhereFloatsMightOverflow) {
  ScanProblem problem = MakeProblem(4, 16);
  for (float& value : problem.vectors) value = 3e38F;
  for (uint32_t f = 0; f < 4; ++f) problem.sums[f] = -3e38F;
  const ScanBlocks blocks = Encoded(problem);
  for (const KernelTable* kernels : SupportedKernels()) {
    for (const Planes planes : {Planes::kHigh, Planes::kBoth}) {
      const std::vector<ScanHit> hits =
          HitsOf(blocks, blocks.Quantize(problem.sums), *kernels, planes, 1e30F);
      ASSERT_EQ(hits.size(), 1U);
      EXPECT_EQ(hits[0].mask, 0xffffU);
    }
  }
}

TEST(ScanKernelsTest, AgreeWithEachOther) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (uint32_t k = 1; k <= kMaxK; k += k < 20 ? 1 : 13) {
    ScanProblem problem = MakeProblem(k, 1000);
    for (size_t item = 0; item < 1000; ++item) {
      for (uint32_t f = 0; f < k; ++f) problem.vectors[item * PaddedK(k) + f] = normal(random);
      problem.biases[item] = normal(random);
    }
    for (uint32_t f = 0; f < k; ++f) problem.sums[f] = normal(random);
    const ScanBlocks blocks = Encoded(problem);
    const ScanContext context = blocks.Quantize(problem.sums);
    for (const Planes planes : {Planes::kHigh, Planes::kBoth}) {
      const Scanned expected = ScanAll(blocks, context, *SupportedKernels().front(), planes);
      for (const KernelTable* kernels : SupportedKernels()) {
        const Scanned scanned = ScanAll(blocks, context, *kernels, planes);
        ASSERT_EQ(scanned.hits.size(), expected.hits.size());
        for (uint32_t item = 0; item < 1000; ++item) {
          ASSERT_NEAR(scanned.score(item), expected.score(item),
                      1e-6F * (std::abs(expected.score(item)) + 16.0F))
              << kernels->name << " k=" << k << " item=" << item;
        }
      }
    }
  }
}

// The largest products there are, which must not saturate. 127 is stored as 255, whose high nibble
// stands for 120; -127 as 1, which stands for -120.
TEST(ScanKernelsTest, AreExactForExtremeIntegers) {
  for (const auto& [item_sign, sign] :
       {std::pair(1.0F, 1.0F), std::pair(1.0F, -1.0F), std::pair(-1.0F, 1.0F)}) {
    ScanProblem problem = MakeProblem(256, 16);
    for (float& value : problem.vectors) value = item_sign * 127.0F;
    for (float& value : problem.sums) value = sign * 127.0F;
    const ScanBlocks blocks = Encoded(problem);
    const ScanContext context = blocks.Quantize(problem.sums);
    for (const KernelTable* kernels : SupportedKernels()) {
      const Scanned high = ScanAll(blocks, context, *kernels, Planes::kHigh);
      const Scanned both = ScanAll(blocks, context, *kernels, Planes::kBoth);
      for (uint32_t item = 0; item < 16; ++item) {
        EXPECT_EQ(high.score(item), item_sign * sign * 120.0F * 127.0F * 256.0F) << kernels->name;
        EXPECT_EQ(both.score(item), item_sign * sign * 127.0F * 127.0F * 256.0F) << kernels->name;
      }
    }
  }
}

TEST(ScanKernelsTest, ReturnOnlyWhatReachesTheThresholdAndPassesTheFilter) {
  ScanProblem problem = MakeProblem(4, 100);
  for (size_t item = 0; item < 100; ++item) problem.biases[item] = static_cast<double>(item);
  const ScanBlocks blocks = Encoded(problem);
  const ScanContext context = blocks.Quantize(problem.sums);
  // Items 20, 21, 50 and 70.
  const uint64_t filter[] = {uint64_t{3} << 20 | uint64_t{1} << 50, uint64_t{1} << 6};
  for (const KernelTable* kernels : SupportedKernels()) {
    for (const Planes planes : {Planes::kHigh, Planes::kBoth}) {
      const auto items_above = [&](float threshold, const uint64_t* passing) {
        return ItemsOf(HitsOf(blocks, context, *kernels, planes, threshold, passing));
      };
      EXPECT_EQ(items_above(97.5F, nullptr), (std::vector<uint32_t>{98, 99})) << kernels->name;
      EXPECT_EQ(items_above(kNone, filter), (std::vector<uint32_t>{20, 21, 50, 70}));
      EXPECT_EQ(items_above(20.5F, filter), (std::vector<uint32_t>{21, 50, 70}));
      EXPECT_EQ(items_above(1000.0F, nullptr), std::vector<uint32_t>{});
    }
  }
}

// Items 0 to 15 have the same high nibbles, 16 to 31 others; only the low ones tell item 9 apart.
TEST(ScanKernelsTest, TheLowPlaneDropsItemsAndWholeBlocks) {
  ScanProblem problem = MakeProblem(16, 48);
  for (size_t item = 0; item < 48; ++item) {
    for (uint32_t f = 0; f < 16; ++f)
      problem.vectors[item * PaddedK(16) + f] = item == 9 ? 127.0F : item < 32 ? 112.0F : 10.0F;
  }
  for (uint32_t f = 0; f < 16; ++f) problem.sums[f] = 1.0F;
  problem.vectors[16 * PaddedK(16)] = problem.vectors[32 * PaddedK(16)] = 127.0F;  // one step is 1
  const ScanBlocks blocks = Encoded(problem);
  const ScanContext context = blocks.Quantize(problem.sums);
  for (const KernelTable* kernels : SupportedKernels()) {
    const float threshold = 16.0F * 126.0F;
    EXPECT_EQ(ItemsOf(HitsOf(blocks, context, *kernels, Planes::kHigh, threshold)).size(), 32U)
        << kernels->name;
    EXPECT_EQ(ItemsOf(HitsOf(blocks, context, *kernels, Planes::kBoth, threshold)),
              std::vector<uint32_t>{9});
  }
}

TEST(ScanBlocksTest, BoundsOfGroupsHoldForAllThatFollow) {
  ScanProblem problem = MakeProblem(4, 3000);
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  for (size_t item = 0; item < 3000; ++item) {
    for (uint32_t f = 0; f < 4; ++f) problem.vectors[item * PaddedK(4) + f] = normal(random);
    problem.biases[item] = normal(random);
  }
  const ScanBlocks blocks = Encoded(problem);
  ASSERT_EQ(blocks.groups_count(), 3U);
  for (size_t item = 0; item < 3000; ++item) {
    double squares = 0.0;
    for (const float value : problem.vector(item)) squares += double{value} * value;
    const auto group = static_cast<uint32_t>(item / kScanGroupItems);
    EXPECT_LE(problem.biases[item], blocks.bound(group).bias);
    for (uint32_t before = 0; before <= group; ++before) {
      EXPECT_LE(std::sqrt(squares), blocks.bound(before).norm);
      EXPECT_LE(problem.biases[item], blocks.bound(before).bias_rest);
    }
  }
}

}  // namespace
}  // namespace fmserve::model
