#include "trainer/fm_steps.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace fmserve::trainer {
namespace {

constexpr size_t kRows = 50;

Examples RandomExamples(size_t size, bool weighted) {
  std::mt19937 random(7);
  Examples examples;
  for (size_t i = 0; i < size; ++i) {
    examples.labels.push_back(static_cast<float>(random() % 2));
    if (weighted) examples.weights.push_back(static_cast<float>(random() % 3));
    for (size_t entry = 0; entry < i % 9; ++entry) {
      const float x = random() % 3 == 0 ? 1.0F : static_cast<float>(random() % 100) * 0.02F - 0.5F;
      examples.entries.push_back({static_cast<uint32_t>(random() % kRows), x});
    }
    examples.ends.push_back(examples.entries.size());
  }
  return examples;
}

// Parameters, and the loss, after two passes over the examples.
struct Learned {
  double loss = 0.0;
  LinearWeight w0 = {0.1F, 0.1F};
  std::vector<LinearWeight> linear;
  std::vector<FactorBlock> factors;

  Learned(const FmSteps& steps, size_t blocks, bool binary, const Examples& examples)
      : linear(kRows, {0.0F, 0.1F}), factors(kRows * blocks) {
    std::mt19937 random(3);
    std::normal_distribution<float> normal(0.0F, 0.3F);
    for (FactorBlock& block : factors) {
      for (float& v : block.v) v = normal(random);
      for (float& g2 : block.g2) g2 = 0.1F;
    }
    std::vector<uint32_t> order(examples.size());
    std::iota(order.rbegin(), order.rend(), 0U);
    const FmView view = {.binary = binary,
                         .learning_rate = 0.05F,
                         .linear_learning_rate = 0.1F,
                         .l2_linear = 0.001F,
                         .l2_factors = 0.003F,
                         .blocks = blocks,
                         .w0 = &w0,
                         .linear = linear.data(),
                         .factors = factors.data()};
    for (int pass = 0; pass < 2; ++pass) {
      const size_t middle = order.size() / 3;
      loss += steps.run(view, examples, order, 0, middle);
      loss += steps.run(view, examples, order, middle, order.size());
    }
  }
};

template <typename T>
bool SameBits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

TEST(FmStepsTest, AllInstructionSetsComeToTheSameBits) {
  for (const bool weighted : {false, true}) {
    const Examples examples = RandomExamples(500, weighted);
    for (const size_t blocks : {1, 2, 3, 4, 32}) {
      for (const bool binary : {false, true}) {
        const Learned expected(SupportedFmSteps().front(), blocks, binary, examples);
        EXPECT_GT(expected.loss, 0.0);
        for (const FmSteps& steps : SupportedFmSteps()) {
          SCOPED_TRACE(std::string(steps.name) + ", blocks " + std::to_string(blocks));
          const Learned learned(steps, blocks, binary, examples);
          EXPECT_EQ(learned.loss, expected.loss);
          EXPECT_EQ(learned.w0.w, expected.w0.w);
          EXPECT_TRUE(SameBits(learned.linear, expected.linear));
          EXPECT_TRUE(SameBits(learned.factors, expected.factors));
        }
      }
    }
  }
}

TEST(FmStepsTest, TheBaselineRunsEverywhereAndTheFastestComesLast) {
  const std::vector<FmSteps> supported = SupportedFmSteps();
  EXPECT_EQ(supported.front().name, "baseline");
  EXPECT_EQ(supported.size(), __builtin_cpu_supports("avx2") ? 2 : 1);
}

}  // namespace
}  // namespace fmserve::trainer
