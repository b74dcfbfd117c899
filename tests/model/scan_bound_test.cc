// No score is out of the bounds of the scan, whatever the vectors, by the high halves and by both.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/model/scan_problem.h"

namespace fmserve::model {
namespace {

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
        Refined(blocks, context, *kernels, HitsOf(blocks, context, *kernels, kAnyScore));
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
         Refined(blocks, context, kernels, HitsOf(blocks, context, kernels, kAnyScore))) {
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
    for (const ScanHit& hit : HitsOf(blocks, context, *SupportedKernels().back(), kAnyScore)) {
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

}  // namespace
}  // namespace fmserve::model
