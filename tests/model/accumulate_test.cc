#include "model/kernels/accumulate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "model/kernels/kernels.h"
#include "tests/model/accumulate_reference.h"
#include "tests/model/guarded_rows.h"

namespace fmserve::model {
namespace {

using ::testing::ElementsAreArray;

constexpr double kErrorBudget = 1e-6;  // accumulate.h
constexpr Quantization kQuantizations[] = {Quantization::kF32, Quantization::kF16,
                                           Quantization::kInt8};

constexpr uint32_t kSlots = 24;  // even, so that rows of 32 bytes begin 64-byte aligned too

enum class Signs { kRandom, kPositive };

float RandomValue(Signs signs, std::mt19937& random) {
  std::normal_distribution<float> normal;
  const float value = normal(random);
  return signs == Signs::kPositive ? std::abs(value) : value;
}

void FillRandomly(GuardedRows& rows, Signs signs, std::mt19937& random) {
  std::vector<float> v(rows.view().k);
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    for (float& value : v) value = 0.1F * RandomValue(signs, random);
    rows.Set(slot, RandomValue(signs, random), v);
  }
}

// Slots repeat, because a list may be longer than there are rows.
List RandomList(size_t n, Signs signs, std::mt19937& random) {
  List list;
  for (size_t i = 0; i < n; ++i) {
    list.slots.push_back(static_cast<uint32_t>(random() % kSlots));
    list.xs.push_back(random() % 2 == 0 ? 1.0F : RandomValue(signs, random));
  }
  return list;
}

struct alignas(64) Sums {
  float values[kMaxK] = {};
};

std::string Describe(const KernelTable& kernels, const RowsView& rows, size_t n) {
  return std::string(kernels.name) + " " + std::string(Name(rows.quantization)) +
         " k=" + std::to_string(rows.k) + " n=" + std::to_string(n);
}

void ExpectSums(const Sums& sums, const Reference& reference, uint32_t k) {
  for (uint32_t f = 0; f < k; ++f) {
    ASSERT_LE(std::abs(sums.values[f] - reference.sums[f]),
              kErrorBudget * reference.sum_magnitudes[f])
        << "sum of factor " << f;
  }
  for (size_t f = k; f < PaddedK(k); ++f) ASSERT_EQ(sums.values[f], 0.0F) << "padding " << f;
}

// Every kernel, over the whole list and over the list cut in two, is within the budget.
// `relative_to_score` takes the budget of the score itself, which only lists without cancellation
// can keep.
void ExpectWithinBudget(const GuardedRows& rows, const List& list, bool relative_to_score = false) {
  const RowsView& view = rows.view();
  const Reference reference = ReferenceOf(view, list);
  const double budget =
      kErrorBudget * (relative_to_score ? std::abs(reference.score) : reference.magnitude);
  const size_t n = list.size();
  const size_t cut = n / 3;
  for (const KernelTable* kernels : SupportedKernels()) {
    SCOPED_TRACE(Describe(*kernels, view, n));
    const AccumulateFn accumulate = kernels->accumulate(view.quantization, view.k);
    const uint32_t* slots = list.slots.data();
    const float* xs = list.xs.data();
    const Sums zeros;
    Sums sums;
    std::fill(std::begin(sums.values), std::end(sums.values), -1.0F);
    const double whole = accumulate(view, slots, xs, n, zeros.values, sums.values);
    ASSERT_NEAR(whole, reference.score, budget);
    ASSERT_NO_FATAL_FAILURE(ExpectSums(sums, reference, view.k));

    const double without_sums = accumulate(view, slots, xs, n, zeros.values, nullptr);
    ASSERT_EQ(without_sums, whole);

    Sums in_place;
    const double first = accumulate(view, slots, xs, cut, in_place.values, in_place.values);
    const double second =
        accumulate(view, slots + cut, xs + cut, n - cut, in_place.values, in_place.values);
    ASSERT_NEAR(first + second, reference.score, budget);
    ASSERT_EQ(std::memcmp(in_place.values, sums.values, PaddedK(view.k) * sizeof(float)), 0);
  }
}

TEST(AccumulateTest, EveryKIsWithinTheErrorBudget) {
  std::mt19937 random(3);
  for (const Quantization quantization : kQuantizations) {
    for (uint32_t k = 1; k <= kMaxK; ++k) {
      GuardedRows rows(quantization, k, kSlots);
      FillRandomly(rows, Signs::kRandom, random);
      for (const size_t n : {0, 1, 2, 3, 10, 30}) {
        const List list = RandomList(n, Signs::kRandom, random);
        ASSERT_NO_FATAL_FAILURE(ExpectWithinBudget(rows, list));
      }
    }
  }
}

TEST(AccumulateTest, EveryLengthIsWithinTheErrorBudget) {
  std::mt19937 random(4);
  for (const Quantization quantization : kQuantizations) {
    for (const uint32_t k : {1, 7, 8, 15, 16, 17, 32, 64, 100}) {
      GuardedRows rows(quantization, k, kSlots);
      FillRandomly(rows, Signs::kRandom, random);
      for (size_t n = 0; n <= 70; ++n) {
        const List list = RandomList(n, Signs::kRandom, random);
        ASSERT_NO_FATAL_FAILURE(ExpectWithinBudget(rows, list));
      }
    }
  }
}

TEST(AccumulateTest, WithoutCancellationTheScoreIsWithinOneMillionthOfItself) {
  std::mt19937 random(5);
  for (const Quantization quantization : kQuantizations) {
    for (uint32_t k = 1; k <= kMaxK; ++k) {
      GuardedRows rows(quantization, k, kSlots);
      FillRandomly(rows, Signs::kPositive, random);
      for (const size_t n : {1, 2, 9, k <= 16 ? 128 : 30}) {
        const List list = RandomList(n, Signs::kPositive, random);
        ASSERT_NO_FATAL_FAILURE(ExpectWithinBudget(rows, list, /*relative_to_score=*/true));
      }
    }
  }
}

void ExpectWithinBoundForAnyData(const GuardedRows& rows, const List& list) {
  const RowsView& view = rows.view();
  const Reference reference = ReferenceOf(view, list);
  const auto n = static_cast<double>(list.size());
  const double bound = (n + view.k / 4.0 + 8) * 0x1p-24 * reference.magnitude;
  for (const KernelTable* kernels : SupportedKernels()) {
    const Sums zeros;
    const double score = kernels->accumulate(view.quantization, view.k)(
        view, list.slots.data(), list.xs.data(), list.size(), zeros.values, nullptr);
    ASSERT_NEAR(score, reference.score, bound) << Describe(*kernels, view, list.size());
  }
}

TEST(AccumulateTest, LongListsAreWithinTheBoundForAnyData) {
  std::mt19937 random(6);
  for (const Quantization quantization : kQuantizations) {
    for (const uint32_t k : {1, 5, 16}) {
      GuardedRows rows(quantization, k, kSlots);
      FillRandomly(rows, Signs::kPositive, random);
      for (const size_t n : {256, 2048}) {
        const List list = RandomList(n, Signs::kPositive, random);
        ASSERT_NO_FATAL_FAILURE(ExpectWithinBoundForAnyData(rows, list));
      }
    }
  }
}

// One value again and again: the roundings of a sum fall the same way for long stretches.
TEST(AccumulateTest, RepeatedFeaturesAreWithinTheBoundForAnyData) {
  for (const Quantization quantization : kQuantizations) {
    for (const uint32_t k : {1, 3, 16, 256}) {
      GuardedRows rows(quantization, k, kSlots);
      rows.Set(3, 0.1F, std::vector<float>(k, 0.1F));
      for (const size_t n : {2, 20, 1000}) {
        const List list{std::vector<uint32_t>(n, 3), std::vector<float>(n, 0.7F)};
        ASSERT_NO_FATAL_FAILURE(ExpectWithinBoundForAnyData(rows, list));
      }
    }
  }
}

TEST(AccumulateTest, AFeatureThatStandsTwiceInteractsWithItself) {
  GuardedRows rows(Quantization::kF32, 2, kSlots);
  rows.Set(0, 10.0F, std::vector<float>{3.0F, 4.0F});
  const List list{{0, 0}, {1.0F, 2.0F}};
  for (const KernelTable* kernels : SupportedKernels()) {
    const Sums zeros;
    Sums sums;
    const double score = kernels->accumulate(Quantization::kF32, 2)(
        rows.view(), list.slots.data(), list.xs.data(), 2, zeros.values, sums.values);
    EXPECT_EQ(score, 10.0 + 20.0 + 25.0 * 2.0) << kernels->name;
    EXPECT_EQ(sums.values[0], 9.0F) << kernels->name;
    EXPECT_EQ(sums.values[1], 12.0F) << kernels->name;
  }
}

TEST(AccumulateTest, FeaturesWithoutASlotAreSkipped) {
  std::mt19937 random(7);
  for (const Quantization quantization : kQuantizations) {
    for (const uint32_t k : {8, 13, 16, 32, 64, 200}) {
      GuardedRows rows(quantization, k, kSlots);
      FillRandomly(rows, Signs::kRandom, random);
      const List known = RandomList(5, Signs::kRandom, random);
      List gaps;
      for (size_t i = 0; i < known.size(); ++i) {
        gaps.slots.insert(gaps.slots.end(), {kNoSlot, known.slots[i], kNoSlot});
        gaps.xs.insert(gaps.xs.end(), {1e30F, known.xs[i], -5.0F});
      }
      for (const KernelTable* kernels : SupportedKernels()) {
        const AccumulateFn accumulate = kernels->accumulate(quantization, k);
        const Sums zeros;
        Sums sums_known;
        Sums sums_gaps;
        EXPECT_EQ(accumulate(rows.view(), known.slots.data(), known.xs.data(), known.size(),
                             zeros.values, sums_known.values),
                  accumulate(rows.view(), gaps.slots.data(), gaps.xs.data(), gaps.size(),
                             zeros.values, sums_gaps.values))
            << Describe(*kernels, rows.view(), 5);
        EXPECT_THAT(sums_gaps.values, ElementsAreArray(sums_known.values));
      }
    }
  }
}

TEST(AccumulateTest, AnEmptyListAddsNothingAndHandsTheSumsOn) {
  GuardedRows rows(Quantization::kF16, 21, kSlots);
  Sums in;
  for (uint32_t f = 0; f < 21; ++f) in.values[f] = static_cast<float>(f);
  for (const KernelTable* kernels : SupportedKernels()) {
    Sums out;
    EXPECT_EQ(kernels->accumulate(Quantization::kF16, 21)(rows.view(), nullptr, nullptr, 0,
                                                          in.values, out.values),
              0.0);
    EXPECT_THAT(out.values, ElementsAreArray(in.values)) << kernels->name;
  }
}

// x from tiny to huge and of either sign, rows of very different sizes, zero rows, gaps,
// duplicates, any k.
TEST(AccumulateTest, RandomRoundsAgreeWithTheReferenceWhateverTheMagnitudes) {
  std::uniform_int_distribution<int> exponent(-12, 12);
  for (uint32_t seed = 0; seed < 1500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const Quantization quantization = kQuantizations[random() % 3];
    GuardedRows rows(quantization, 1 + static_cast<uint32_t>(random() % kMaxK), kSlots);
    std::vector<float> v(rows.view().k);
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      const int row_exponent = exponent(random);
      for (float& value : v) value = std::ldexp(RandomValue(Signs::kRandom, random), row_exponent);
      if (random() % 8 == 0) std::fill(v.begin(), v.end(), 0.0F);
      rows.Set(slot, RandomValue(Signs::kRandom, random), v);
    }
    List list = RandomList(random() % 48, Signs::kRandom, random);
    for (size_t i = 0; i < list.size(); ++i) {
      list.xs[i] = std::ldexp(list.xs[i], exponent(random));
      if (random() % 8 == 0) list.slots[i] = kNoSlot;
      if (random() % 16 == 0) list.xs[i] = 0.0F;
    }
    ASSERT_NO_FATAL_FAILURE(ExpectWithinBudget(rows, list));
  }
}

}  // namespace
}  // namespace fmserve::model
