#include "trainer/rank_average.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/trainer/thread_ranks.h"

namespace fmserve::trainer {
namespace {

// Parameters of a few features, all of one value each.
class SomeParameters {
 public:
  SomeParameters(size_t features, size_t blocks, float value)
      : blocks_(blocks), linear_(features), factors_(features * blocks) {
    SetAll(value);
  }

  void SetAll(float value) {
    w0_ = {value, value};
    std::fill(linear_.begin(), linear_.end(), LinearWeight{value, value});
    for (FactorBlock& block : factors_) {
      std::fill_n(block.v, kLanes, value);
      std::fill_n(block.g2, kLanes, value);
    }
  }

  FmView View() {
    return {.binary = true,
            .learning_rate = 0.0F,
            .linear_learning_rate = 0.0F,
            .l2_linear = 0.0F,
            .l2_factors = 0.0F,
            .blocks = blocks_,
            .w0 = &w0_,
            .linear = linear_.data(),
            .factors = factors_.data()};
  }

  // The value, when w, v and both accumulators of a feature have it; nan when they differ.
  float Of(size_t feature) const {
    const float value = linear_[feature].w;
    bool same = linear_[feature].g2 == value;
    for (size_t block = feature * blocks_; block < (feature + 1) * blocks_; ++block) {
      for (size_t lane = 0; lane < kLanes; ++lane)
        same &= factors_[block].v[lane] == value && factors_[block].g2[lane] == value;
    }
    return same ? value : std::nanf("");
  }

  // As all examples have it.
  std::vector<std::span<float>> Common() { return {{&w0_.w, 1}, {&w0_.g2, 1}}; }

  LinearWeight w0() const { return w0_; }

 private:
  size_t blocks_;
  LinearWeight w0_ = {};
  std::vector<LinearWeight> linear_;
  std::vector<FactorBlock> factors_;
};

// `count` examples that have this feature alone.
void AddExamples(size_t count, uint32_t feature, Examples& examples) {
  for (size_t i = 0; i < count; ++i) {
    examples.entries.push_back({feature, 1.0F});
    examples.ends.push_back(examples.entries.size());
    examples.labels.push_back(1.0F);
  }
}

void CountAll(const Examples& examples, RankAverage& average) {
  std::vector<uint32_t> numbers(examples.size());
  for (uint32_t i = 0; i < numbers.size(); ++i) numbers[i] = i;
  average.Count(examples, numbers);
}

// Parameters that began at 0 and were moved to `value` before they are averaged.
class AverageOfRanks {
 public:
  AverageOfRanks(Ranks& ranks, size_t features)
      : average_(ranks, features), parameters_(features, 2, 0.0F) {
    average_.Begin(parameters_.View(), parameters_.Common());
  }

  void Count(const Examples& examples) { CountAll(examples, average_); }

  void Learn(float value, size_t count, uint32_t feature) {
    Examples examples;
    AddExamples(count, feature, examples);
    Count(examples);
    parameters_.SetAll(value);
  }

  SomeParameters& Average() {
    EXPECT_TRUE(average_.Average(parameters_.View(), parameters_.Common()).ok());
    return parameters_;
  }

 private:
  RankAverage average_;
  SomeParameters parameters_;
};

TEST(RankAverageTest, FewStepsAddUp) {
  RunRanks(2, [](Ranks& ranks) {
    AverageOfRanks of(ranks, 1);
    of.Learn(ranks.rank() == 0 ? 1.0F : 5.0F, ranks.rank() == 0 ? 3 : 1, 0);
    EXPECT_EQ(of.Average().Of(0), 6.0F);
  });
}

TEST(RankAverageTest, ManyStepsAreAveraged) {
  RunRanks(2, [](Ranks& ranks) {
    AverageOfRanks of(ranks, 1);
    of.Learn(ranks.rank() == 0 ? 1.0F : 5.0F, 1000, 0);
    EXPECT_EQ(of.Average().Of(0), 3.0F);
  });
}

TEST(RankAverageTest, BetweenFewAndManyTheShareShrinks) {
  RunRanks(2, [](Ranks& ranks) {
    AverageOfRanks of(ranks, 1);
    of.Learn(4.0F, 80, 0);  // 160 steps together
    EXPECT_EQ(of.Average().Of(0), 8.0F * 100.0F / 160.0F);
  });
}

TEST(RankAverageTest, ARankThatHardlySawAFeatureHardlyCounts) {
  RunRanks(2, [](Ranks& ranks) {
    AverageOfRanks of(ranks, 1);
    of.Learn(4.0F, ranks.rank() == 0 ? 3000 : 1000, 0);
    EXPECT_FLOAT_EQ(of.Average().Of(0), 8.0F / 1.6F);  // 4000^2 / (3000^2 + 1000^2)
  });
}

TEST(RankAverageTest, WhatOneRankAloneSawIsAsItIsThere) {
  RunRanks(2, [](Ranks& ranks) {
    AverageOfRanks of(ranks, 2);
    if (ranks.rank() == 0) {
      of.Learn(2.0F, 5000, 0);
    } else {
      of.Learn(0.0F, 5000, 1);
    }
    EXPECT_EQ(of.Average().Of(0), 2.0F);
  });
}

TEST(RankAverageTest, TheBiasIsAveragedByTheExamples) {
  RunRanks(2, [](Ranks& ranks) {
    AverageOfRanks of(ranks, 2);
    of.Learn(ranks.rank() == 0 ? 1.0F : 5.0F, 600, ranks.rank());
    const LinearWeight w0 = of.Average().w0();
    EXPECT_EQ(w0.w, 3.0F);
    EXPECT_EQ(w0.g2, 3.0F);
  });
}

TEST(RankAverageTest, WhatWasAveragedDoesNotMoveAgain) {
  RunRanks(2, [](Ranks& ranks) {
    AverageOfRanks of(ranks, 1);
    of.Learn(1.0F, 1, 0);
    EXPECT_EQ(of.Average().Of(0), 2.0F);
    of.Learn(2.0F, 1, 0);
    EXPECT_EQ(of.Average().Of(0), 2.0F);
    of.Learn(2.5F, 1, 0);
    EXPECT_EQ(of.Average().Of(0), 3.0F);
  });
}

TEST(RankAverageTest, ManyFeaturesTravelInSeveralMessages) {
  constexpr uint32_t kFeatures = 150000;  // 34 floats each
  RunRanks(2, [](Ranks& ranks) {
    AverageOfRanks of(ranks, kFeatures);
    for (uint32_t feature = 0; feature < kFeatures; feature += 2) {
      Examples examples;
      AddExamples(1, feature, examples);
      of.Count(examples);
    }
    of.Learn(ranks.rank() == 0 ? 2.0F : 4.0F, 0, 0);
    SomeParameters& parameters = of.Average();
    for (uint32_t feature = 0; feature < kFeatures; feature += 2)
      ASSERT_EQ(parameters.Of(feature), 6.0F) << feature;
    EXPECT_EQ(parameters.Of(1), ranks.rank() == 0 ? 2.0F : 4.0F);
  });
}

}  // namespace
}  // namespace fmserve::trainer
