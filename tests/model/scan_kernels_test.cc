// The scan in int8: every instruction set computes the same, of each half of the bytes and of both.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "tests/model/scan_problem.h"

namespace fmserve::model {
namespace {

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
    const std::vector<ScanHit> high = HitsOf(blocks, context, scalar, kAnyScore);
    const std::vector<ScanHit> both = Refined(blocks, context, scalar, high);
    for (const KernelTable* kernels : SupportedKernels()) {
      const std::vector<ScanHit> hits = HitsOf(blocks, context, *kernels, kAnyScore);
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
      const std::vector<ScanHit> hits = HitsOf(blocks, context, *kernels, kAnyScore);
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
    EXPECT_EQ(items_from(kAnyScore, filter), (std::vector<uint32_t>{20, 21, 50, 70}));
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
