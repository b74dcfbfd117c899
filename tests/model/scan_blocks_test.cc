// The scan in int8: every implementation computes the same, and no score is further from the true
// one than the bound says, whatever the vectors.
#include "model/scan_blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
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

struct Scanned {
  std::vector<ScanHit> hits;
  float score(uint32_t item) const { return hits[item / 16].scores[item % 16]; }
};

// All blocks of the first group with a threshold that everything reaches.
Scanned ScanAll(const ScanBlocks& blocks, const ScanContext& context, const KernelTable& kernels) {
  Scanned scanned;
  scanned.hits.resize(kScanGroupBlocks);
  scanned.hits.resize(kernels.scan(context, blocks.group(0), blocks.BlocksOf(0), nullptr, kNone,
                                   scanned.hits.data()));
  return scanned;
}

// In long double, so that the reference has no roundings to speak of.
long double TrueScore(const ScanProblem& problem, size_t item) {
  long double score = problem.biases[item];
  for (uint32_t f = 0; f < problem.k; ++f)
    score += static_cast<long double>(problem.vector(item)[f]) * problem.sums[f];
  return score;
}

// How much of the bound the worst item uses.
double CheckBound(const ScanProblem& problem, const char* what) {
  const ScanBlocks blocks = Encoded(problem);
  const ScanContext context = blocks.Quantize(problem.sums);
  double worst = 0.0;
  for (const KernelTable* kernels : SupportedKernels()) {
    const Scanned scanned = ScanAll(blocks, context, *kernels);
    EXPECT_EQ(scanned.hits.size(), blocks.blocks_count());
    for (uint32_t item = 0; item < problem.biases.size(); ++item) {
      const long double error = std::abs(scanned.score(item) - TrueScore(problem, item));
      const float bound = scanned.hits[item / 16].error;
      EXPECT_LE(error, static_cast<long double>(bound))
          << what << " " << kernels->name << " k=" << problem.k << " item=" << item;
      if (bound > 0.0F) worst = std::max(worst, static_cast<double>(error / bound));
    }
  }
  return worst;
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
      CheckBound(problem, "random");
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
    EXPECT_GT(CheckBound(problem, "worst"), k == 1 ? 0.1 : 0.9);
  }
}

TEST(ScanBoundTest, HoldsWithOneHugeItemAmongTinyOnes) {
  ScanProblem problem = MakeProblem(8, 16);
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (float& value : problem.vectors) value = 1e-6F * normal(random);
  problem.vectors[5 * PaddedK(8)] = 1e6F;
  for (uint32_t f = 0; f < 8; ++f) problem.sums[f] = normal(random);
  CheckBound(problem, "one huge item");
}

TEST(ScanBoundTest, HoldsWhereFloatsUnderflow) {
  for (const float tiny : {1e-38F, 1e-42F, std::numeric_limits<float>::denorm_min()}) {
    ScanProblem problem = MakeProblem(16, 20);
    for (size_t i = 0; i < problem.vectors.size(); ++i)
      problem.vectors[i] = tiny * static_cast<float>(i % 7);
    for (uint32_t f = 0; f < 16; ++f) problem.sums[f] = tiny * static_cast<float>(f);
    problem.biases[3] = double{tiny};
    CheckBound(problem, "underflow");
  }
}

TEST(ScanBoundTest, EverythingIsAHitWhereFloatsMightOverflow) {
  ScanProblem problem = MakeProblem(4, 16);
  for (float& value : problem.vectors) value = 3e38F;
  for (uint32_t f = 0; f < 4; ++f) problem.sums[f] = -3e38F;
  const ScanBlocks blocks = Encoded(problem);
  for (const KernelTable* kernels : SupportedKernels()) {
    ScanHit hit;
    ASSERT_EQ(
        kernels->scan(blocks.Quantize(problem.sums), blocks.group(0), 1, nullptr, 1e30F, &hit), 1U);
    EXPECT_EQ(hit.mask, 0xffffU);
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
    const Scanned expected = ScanAll(blocks, context, *SupportedKernels().front());
    for (const KernelTable* kernels : SupportedKernels()) {
      const Scanned scanned = ScanAll(blocks, context, *kernels);
      ASSERT_EQ(scanned.hits.size(), expected.hits.size());
      for (uint32_t item = 0; item < 1000; ++item) {
        ASSERT_NEAR(scanned.score(item), expected.score(item),
                    1e-6F * (std::abs(expected.score(item)) + 16.0F))
            << kernels->name << " k=" << k << " item=" << item;
      }
    }
  }
}

// The largest products there are, which must not saturate.
TEST(ScanKernelsTest, AreExactForExtremeIntegers) {
  for (const float sign : {1.0F, -1.0F}) {
    ScanProblem problem = MakeProblem(256, 16);
    for (float& value : problem.vectors) value = 127.0F;
    for (float& value : problem.sums) value = sign * 127.0F;
    const ScanBlocks blocks = Encoded(problem);
    for (const KernelTable* kernels : SupportedKernels()) {
      const Scanned scanned = ScanAll(blocks, blocks.Quantize(problem.sums), *kernels);
      for (uint32_t item = 0; item < 16; ++item)
        EXPECT_EQ(scanned.score(item), sign * 127.0F * 127.0F * 256.0F) << kernels->name;
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
    std::vector<ScanHit> hits(kScanGroupBlocks);
    const auto items_above = [&](float threshold, const uint64_t* passing) {
      std::vector<uint32_t> items;
      const size_t count = kernels->scan(context, blocks.group(0), blocks.BlocksOf(0), passing,
                                         threshold, hits.data());
      for (size_t i = 0; i < count; ++i) {
        for (uint32_t bit = 0; bit < 16; ++bit) {
          const uint32_t item = hits[i].block * 16 + bit;
          if ((hits[i].mask >> bit & 1) != 0 && item < 100) items.push_back(item);
        }
      }
      return items;
    };
    EXPECT_EQ(items_above(97.5F, nullptr), (std::vector<uint32_t>{98, 99})) << kernels->name;
    EXPECT_EQ(items_above(kNone, filter), (std::vector<uint32_t>{20, 21, 50, 70}));
    EXPECT_EQ(items_above(20.5F, filter), (std::vector<uint32_t>{21, 50, 70}));
    EXPECT_EQ(items_above(1000.0F, nullptr), std::vector<uint32_t>{});
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
