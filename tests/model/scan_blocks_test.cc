// The scan in int8, by the high four bits and by all eight: every implementation computes the same,
// and no score is out of its bounds, whatever the vectors.
#include "model/scan_blocks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace fmserve::model {
namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();

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

// The hits of the first group, by the high halves alone.
std::vector<ScanHit> HitsOf(const ScanBlocks& blocks, const ScanContext& context,
                            const KernelTable& kernels, double least,
                            const uint64_t* filter = nullptr) {
  std::vector<ScanHit> hits(kScanGroupItems);
  hits.resize(kernels.scan(context, blocks.group(0), filter, blocks.ThresholdFor(context, 0, least),
                           hits.data()));
  return hits;
}

std::vector<ScanHit> Refined(const ScanBlocks& blocks, const ScanContext& context,
                             const KernelTable& kernels, std::vector<ScanHit> hits) {
  kernels.refine(context, blocks.rows(), hits.data(), hits.size());
  return hits;
}

std::vector<uint32_t> ItemsOf(const std::vector<ScanHit>& hits) {
  std::vector<uint32_t> items;
  for (const ScanHit& hit : hits) items.push_back(hit.item);
  return items;
}

std::vector<int32_t> ProductsOf(const std::vector<ScanHit>& hits) {
  std::vector<int32_t> products;
  for (const ScanHit& hit : hits) products.push_back(hit.product);
  return products;
}

bool Contains(const std::vector<ScanHit>& hits, uint32_t item) {
  return std::any_of(hits.begin(), hits.end(),
                     [&](const ScanHit& hit) { return hit.item == item; });
}

// In long double, so that the reference has no roundings to speak of.
long double TrueScore(const ScanProblem& problem, size_t item) {
  long double score = problem.biases[item];
  for (uint32_t f = 0; f < problem.k; ++f)
    score += static_cast<long double>(problem.vector(item)[f]) * problem.sums[f];
  return score;
}

// Whoever asks for scores from an item's own on gets it by its high halves, and by both halves a
// range that its score is in.
void CheckBounds(const ScanProblem& problem, const char* what) {
  const ScanBlocks blocks = Encoded(problem);
  const ScanContext context = blocks.Quantize(problem.sums);
  for (const KernelTable* kernels : SupportedKernels()) {
    const std::vector<ScanHit> all =
        Refined(blocks, context, *kernels, HitsOf(blocks, context, *kernels, kNone));
    for (uint32_t item = 0; item < problem.biases.size(); ++item) {
      SCOPED_TRACE(
          absl::StrCat(what, " ", std::string(kernels->name), " k=", problem.k, " item=", item));
      const long double score = TrueScore(problem, item);
      EXPECT_TRUE(Contains(HitsOf(blocks, context, *kernels, static_cast<double>(score)), item));
      const ScoreRange range = blocks.RangeOf(context, all[item]);
      EXPECT_LE(range.lower, score);
      EXPECT_GE(range.upper, score);
    }
  }
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

TEST(ScanBoundTest, HoldsForItemsOfManyScalesInOneBlock) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> exponent(-6.0F, 0.0F);
  for (const uint32_t k : {1, 7, 16, 64}) {
    for (int round = 0; round < 20; ++round) {
      ScanProblem problem = MakeProblem(k, 40);
      for (size_t item = 0; item < 40; ++item) {
        const float scale = std::pow(10.0F, exponent(random));
        for (uint32_t f = 0; f < k; ++f)
          problem.vectors[item * PaddedK(k) + f] = scale * normal(random);
        problem.biases[item] = double{scale} * normal(random);
      }
      for (uint32_t f = 0; f < k; ++f) problem.sums[f] = normal(random);
      CheckBounds(problem, "many scales");
    }
  }
}

// What a bound is made of, seen from outside.
ScanBlockHead HeadOf(const ScanBlocks& blocks) {
  ScanBlockHead head;
  std::memcpy(&head, blocks.group(0).blocks, sizeof(head));
  return head;
}

// The score that a hit's product stands for.
double ScoreOf(const ScanBlocks& blocks, const ScanContext& context, const ScanHit& hit) {
  const ScanBlockHead head = HeadOf(blocks);
  return double{head.scale} * head.scales[hit.item] * context.scale * hit.product + head.bias +
         double{head.bias_step} * head.biases[hit.item];
}

// The score from which on an item of the first block is no hit by its high halves.
double UpperBound(const ScanBlocks& blocks, const ScanContext& context, uint32_t item) {
  const KernelTable& kernels = *SupportedKernels().back();
  double below = -1e9;
  double above = 1e9;
  while (above - below > 1e-6) {
    const double middle = (below + above) / 2;
    (Contains(HitsOf(blocks, context, kernels, middle), item) ? below : above) = middle;
  }
  return below;
}

// Every factor but one lies halfway between two stored numbers, on the side that hurts: what
// storing loses is parallel to the context.
TEST(ScanBoundTest, HoldsAndIsNearlyReachedForTheWorstVectors) {
  for (const uint32_t k : {16, 64, 256}) {
    ScanProblem problem = MakeProblem(k, 16);
    for (size_t item = 0; item < 16; ++item) {
      for (uint32_t f = 0; f < k; ++f) {
        const float sign = f % 2 == 0 ? 1.0F : -1.0F;
        problem.vectors[item * PaddedK(k) + f] = sign * (50.0F + static_cast<float>(item) + 0.499F);
      }
      problem.vectors[item * PaddedK(k)] = 127.0F;  // one step is 1
    }
    for (uint32_t f = 0; f < k; ++f) problem.sums[f] = f % 2 == 0 ? 1.0F : -1.0F;
    CheckBounds(problem, "worst");
    const ScanBlocks blocks = Encoded(problem);
    const ScanContext context = blocks.Quantize(problem.sums);
    const KernelTable& kernels = *SupportedKernels().back();
    for (const ScanHit& hit :
         Refined(blocks, context, kernels, HitsOf(blocks, context, kernels, kNone))) {
      const double score = ScoreOf(blocks, context, hit);
      const double error = static_cast<double>(TrueScore(problem, hit.item)) - score;
      EXPECT_GT(error, 0.9 * (blocks.RangeOf(context, hit).upper - score));
    }
  }
}

// Every factor lies where it only just has its high half, half a step below the lowest factor that
// is stored with it: the middle is furthest, and all in the direction of the context.
TEST(ScanBoundTest, HoldsAndIsNearlyReachedForTheWorstLowHalves) {
  for (const uint32_t k : {4, 16, 64, 256}) {
    ScanProblem problem = MakeProblem(k, 15);
    for (size_t item = 0; item < 15; ++item) {
      for (uint32_t f = 0; f < k; ++f)
        problem.vectors[item * PaddedK(k) + f] = 16.0F * static_cast<float>(item) - 112.499F;
      problem.vectors[item * PaddedK(k)] = -127.0F;  // one step is 1
    }
    for (uint32_t f = 0; f < k; ++f) problem.sums[f] = -1.0F;
    CheckBounds(problem, "worst");
    const ScanBlocks blocks = Encoded(problem);
    const ScanContext context = blocks.Quantize(problem.sums);
    for (const ScanHit& hit : HitsOf(blocks, context, *SupportedKernels().back(), kNone)) {
      if (hit.item >= 15) continue;
      const double score = ScoreOf(blocks, context, hit);
      const double error = static_cast<double>(TrueScore(problem, hit.item)) - score;
      EXPECT_GT(error, 0.99 * (UpperBound(blocks, context, hit.item) - score)) << "k=" << k;
    }
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

TEST(ScanBoundTest, HoldsForBiasesFarApartAndForEqualOnes) {
  std::mt19937 random(6);
  std::normal_distribution<double> normal;
  for (const double size : {0.0, 1e-20, 1e-3, 1.0, 12345.678, 1e9, 1e29}) {
    for (const double spread : {0.0, 1e-9, 1e-3, 1.0}) {
      ScanProblem problem = MakeProblem(2, 40);
      for (size_t item = 0; item < 40; ++item) {
        problem.biases[item] = size * (1.0 + spread * normal(random));
        problem.vectors[item * PaddedK(2)] = static_cast<float>(normal(random));
      }
      problem.biases[3] = -size;
      problem.sums[0] = 0.25F;
      CheckBounds(problem, "biases");
    }
  }
}

TEST(ScanBoundTest, HoldsWhereFloatsUnderflow) {
  for (const float tiny : {1e-38F, 1e-42F, std::numeric_limits<float>::denorm_min()}) {
    for (const float huge : {tiny, 1.0F, 1e30F}) {
      ScanProblem problem = MakeProblem(16, 20);
      for (size_t i = 0; i < problem.vectors.size(); ++i)
        problem.vectors[i] = tiny * static_cast<float>(i % 7);
      for (uint32_t f = 0; f < 16; ++f) problem.sums[f] = huge * static_cast<float>(f);
      problem.biases[3] = double{tiny};
      CheckBounds(problem, "underflow");
    }
  }
}

TEST(ScanBoundTest, EverythingMayScoreAnythingWhereFloatsMightOverflow) {
  ScanProblem problem = MakeProblem(4, 16);
  for (float& value : problem.vectors) value = 3e38F;
  for (uint32_t f = 0; f < 4; ++f) problem.sums[f] = -3e38F;
  const ScanBlocks blocks = Encoded(problem);
  const ScanContext context = blocks.Quantize(problem.sums);
  for (const KernelTable* kernels : SupportedKernels()) {
    const std::vector<ScanHit> hits =
        Refined(blocks, context, *kernels, HitsOf(blocks, context, *kernels, 1e30));
    ASSERT_EQ(hits.size(), 16U);
    for (const ScanHit& hit : hits) {
      const ScoreRange range = blocks.RangeOf(context, hit);
      EXPECT_EQ(range.lower, -std::numeric_limits<double>::infinity());
      EXPECT_EQ(range.upper, std::numeric_limits<double>::infinity());
    }
  }
}

// Products, not scores: they are integers.
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
    const KernelTable& scalar = *SupportedKernels().front();
    const std::vector<ScanHit> high = HitsOf(blocks, context, scalar, kNone);
    const std::vector<ScanHit> both = Refined(blocks, context, scalar, high);
    for (const KernelTable* kernels : SupportedKernels()) {
      const std::vector<ScanHit> hits = HitsOf(blocks, context, *kernels, kNone);
      EXPECT_EQ(ProductsOf(hits), ProductsOf(high)) << kernels->name << " k=" << k;
      EXPECT_EQ(ProductsOf(Refined(blocks, context, *kernels, hits)), ProductsOf(both))
          << kernels->name << " k=" << k;
    }
  }
}

// The largest products there are, which must not saturate. 127 is stored as 255, whose high half
// stands for 120; -127 as 1, which stands for -120.
TEST(ScanKernelsTest, AreExactForExtremeIntegers) {
  for (const auto& [item_sign, sign] :
       {std::pair(1, 1), std::pair(1, -1), std::pair(-1, 1), std::pair(-1, -1)}) {
    ScanProblem problem = MakeProblem(256, 16);
    for (float& value : problem.vectors) value = static_cast<float>(item_sign);
    for (float& value : problem.sums) value = static_cast<float>(sign);
    const ScanBlocks blocks = Encoded(problem);
    const ScanContext context = blocks.Quantize(problem.sums);
    for (const KernelTable* kernels : SupportedKernels()) {
      const std::vector<ScanHit> hits = HitsOf(blocks, context, *kernels, kNone);
      EXPECT_EQ(ProductsOf(hits), std::vector<int32_t>(16, item_sign * sign * 120 * 127 * 256))
          << kernels->name;
      EXPECT_EQ(ProductsOf(Refined(blocks, context, *kernels, hits)),
                std::vector<int32_t>(16, item_sign * sign * 127 * 127 * 256))
          << kernels->name;
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
    const auto items_from = [&](double least, const uint64_t* passing) {
      return ItemsOf(HitsOf(blocks, context, *kernels, least, passing));
    };
    EXPECT_EQ(items_from(97.5, nullptr), (std::vector<uint32_t>{98, 99})) << kernels->name;
    EXPECT_EQ(items_from(kNone, filter), (std::vector<uint32_t>{20, 21, 50, 70}));
    EXPECT_EQ(items_from(20.5, filter), (std::vector<uint32_t>{21, 50, 70}));
    EXPECT_EQ(items_from(1000.0, nullptr), std::vector<uint32_t>{});
  }
}

// Items 0 to 31 have the same high halves; only the low ones tell item 9 apart.
TEST(ScanKernelsTest, LowHalvesTellItemsApart) {
  ScanProblem problem = MakeProblem(16, 48);
  for (size_t item = 0; item < 48; ++item) {
    for (uint32_t f = 0; f < 16; ++f)
      problem.vectors[item * PaddedK(16) + f] = item == 9 ? 127.0F : item < 32 ? 112.0F : 10.0F;
    problem.vectors[item * PaddedK(16)] = 127.0F;  // one step is 1
  }
  for (uint32_t f = 0; f < 16; ++f) problem.sums[f] = 1.0F;
  const ScanBlocks blocks = Encoded(problem);
  const ScanContext context = blocks.Quantize(problem.sums);
  const double least = 16.0 * 126.0;
  for (const KernelTable* kernels : SupportedKernels()) {
    const std::vector<ScanHit> hits = HitsOf(blocks, context, *kernels, least);
    EXPECT_EQ(hits.size(), 32U) << kernels->name;
    for (const ScanHit& hit : Refined(blocks, context, *kernels, hits))
      EXPECT_EQ(blocks.RangeOf(context, hit).upper >= least, hit.item == 9) << hit.item;
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
