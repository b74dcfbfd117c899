// accumulate_fields of every kernel: the ranks of a field-weighted model, against the double sum
// over pairs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "model/field_factors.h"
#include "model/kernels/kernels.h"
#include "tests/model/accumulate_reference.h"
#include "tests/model/guarded_rows.h"
#include "tests/model/test_model.h"

namespace fmserve::model {
namespace {

constexpr double kErrorBudget = 1e-6;  // accumulate.h
constexpr Quantization kQuantizations[] = {Quantization::kF32, Quantization::kF16,
                                           Quantization::kInt8};
constexpr uint32_t kSlots = 24;
constexpr size_t kFields = 5;

void FillRandomly(GuardedRows& rows, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> v(rows.view().k);
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    for (float& value : v) value = 0.1F * normal(random);
    rows.Set(slot, normal(random), v);
  }
}

List RandomList(size_t n, std::mt19937& random) {
  std::normal_distribution<float> normal;
  List list;
  for (size_t i = 0; i < n; ++i) {
    list.slots.push_back(static_cast<uint32_t>(random() % kSlots));
    list.xs.push_back(random() % 2 == 0 ? 1.0F : normal(random));
    list.fields.push_back(static_cast<uint8_t>(random() % kFields));
  }
  return list;
}

struct alignas(64) RankedSums {
  float values[kMaxRankedSums] = {};
};

// Of one call; sums are added to in place unless null.
double AccumulateOf(const KernelTable& kernels, const RowsView& rows, const FieldFactors& factors,
                    const List& list, size_t first, size_t count, const RankedSums& in,
                    RankedSums* out) {
  return kernels.accumulate_fields(rows.quantization)(
      rows, factors.view(), list.slots.data() + first, list.fields.data() + first,
      list.xs.data() + first, count, in.values, out == nullptr ? nullptr : out->values);
}

void ExpectZeroPadding(const RankedSums& sums, uint32_t rank, uint32_t k) {
  const size_t padded_k = PaddedK(k);
  for (size_t i = 0; i < kMaxRankedSums; ++i) {
    if (i / padded_k < rank && i % padded_k < k) continue;
    ASSERT_EQ(sums.values[i], 0.0F) << "float " << i;
  }
}

// The whole list, and the list cut in two, by every kernel.
void ExpectWithinBudget(const RowsView& rows, const FieldMatrix& matrix, const List& list) {
  const Reference reference = ReferenceOf(rows, list, &matrix);
  const double budget = kErrorBudget * reference.magnitude;
  const FieldFactors factors(matrix);
  const size_t n = list.size();
  for (const KernelTable* kernels : SupportedKernels()) {
    SCOPED_TRACE(testing::Message() << kernels->name << " " << Name(rows.quantization)
                                    << " k=" << rows.k << " rank=" << matrix.rank << " n=" << n);
    const RankedSums zeros;
    const double whole = AccumulateOf(*kernels, rows, factors, list, 0, n, zeros, nullptr);
    ASSERT_NEAR(whole, reference.score, budget);

    RankedSums sums;
    const double first = AccumulateOf(*kernels, rows, factors, list, 0, n / 3, sums, &sums);
    const double second =
        AccumulateOf(*kernels, rows, factors, list, n / 3, n - n / 3, sums, nullptr);
    ASSERT_NEAR(first + second, reference.score, budget);
    ASSERT_EQ(AccumulateOf(*kernels, rows, factors, list, n / 3, n - n / 3, sums, &sums), second);
    RankedSums at_once;
    ASSERT_EQ(AccumulateOf(*kernels, rows, factors, list, 0, n, at_once, &at_once), whole);
    ASSERT_EQ(std::memcmp(&at_once, &sums, sizeof(sums)), 0);
    ASSERT_NO_FATAL_FAILURE(ExpectZeroPadding(sums, matrix.rank, rows.k));
  }
}

TEST(AccumulateFieldsTest, EveryRankAndKIsWithinTheErrorBudget) {
  std::mt19937 random(3);
  for (const Quantization quantization : kQuantizations) {
    for (uint32_t k = 1; k <= kMaxK; k += k < 40 ? 1 : 23) {
      GuardedRows rows(quantization, k, kSlots);
      FillRandomly(rows, random);
      for (uint32_t rank = 1; rank <= kMaxFieldRank && rank * k <= kMaxK; ++rank) {
        const FieldMatrix matrix = RandomFieldMatrix(rank, kFields, rank * 1000 + k);
        for (const size_t n : {0, 1, 2, 10, 30}) {
          const List list = RandomList(n, random);
          ASSERT_NO_FATAL_FAILURE(ExpectWithinBudget(rows.view(), matrix, list));
        }
      }
    }
  }
}

TEST(AccumulateFieldsTest, EveryLengthIsWithinTheErrorBudget) {
  std::mt19937 random(4);
  for (const Quantization quantization : kQuantizations) {
    for (const uint32_t k : {1, 8, 13, 16}) {
      GuardedRows rows(quantization, k, kSlots);
      FillRandomly(rows, random);
      for (const uint32_t rank : {1, 4, 8, 11, 16}) {
        const FieldMatrix matrix = RandomFieldMatrix(rank, kFields, rank);
        for (size_t n = 0; n <= 70; n += 7)
          ASSERT_NO_FATAL_FAILURE(ExpectWithinBudget(rows.view(), matrix, RandomList(n, random)));
      }
    }
  }
}

TEST(AccumulateFieldsTest, FeaturesWithoutASlotAreSkipped) {
  std::mt19937 random(7);
  for (const Quantization quantization : kQuantizations) {
    GuardedRows rows(quantization, 13, kSlots);
    FillRandomly(rows, random);
    const FieldMatrix matrix = RandomFieldMatrix(3, kFields, 1);
    const FieldFactors factors(matrix);
    const List known = RandomList(5, random);
    List gaps;
    for (size_t i = 0; i < known.size(); ++i) {
      gaps.slots.insert(gaps.slots.end(), {kNoSlot, known.slots[i], kNoSlot});
      gaps.xs.insert(gaps.xs.end(), {1e30F, known.xs[i], -5.0F});
      gaps.fields.insert(gaps.fields.end(), {4, known.fields[i], 0});
    }
    for (const KernelTable* kernels : SupportedKernels()) {
      RankedSums of_known;
      RankedSums of_gaps;
      EXPECT_EQ(AccumulateOf(*kernels, rows.view(), factors, known, 0, 5, of_known, &of_known),
                AccumulateOf(*kernels, rows.view(), factors, gaps, 0, 15, of_gaps, &of_gaps))
          << kernels->name;
      EXPECT_EQ(std::memcmp(&of_known, &of_gaps, sizeof(of_gaps)), 0) << kernels->name;
    }
  }
}

TEST(AccumulateFieldsTest, AFeatureThatStandsTwiceInteractsWithItself) {
  GuardedRows rows(Quantization::kF32, 2, kSlots);
  rows.Set(0, 10.0F, std::vector<float>{3.0F, 4.0F});
  const FieldFactors factors(
      FieldMatrix{.rank = 2, .scales = {4.0F, -1.0F}, .factors = {1.0F, 3.0F}});
  const List list{.slots = {0, 0}, .xs = {1.0F, 2.0F}, .fields = {0, 0}};
  for (const KernelTable* kernels : SupportedKernels()) {
    const RankedSums zeros;
    EXPECT_EQ(AccumulateOf(*kernels, rows.view(), factors, list, 0, 2, zeros, nullptr),
              10.0 + 20.0 + (4.0 - 9.0) * 25.0 * 2.0)
        << kernels->name;
  }
}

TEST(AccumulateFieldsTest, OfRankOneWithoutFieldsIsAccumulate) {
  std::mt19937 random(9);
  const FieldFactors ones(
      FieldMatrix{.rank = 1, .scales = {1.0F}, .factors = std::vector<float>(kFields, 1.0F)});
  for (const Quantization quantization : kQuantizations) {
    for (const uint32_t k : {3, 8, 16, 20, 64, 256}) {
      GuardedRows rows(quantization, k, kSlots);
      FillRandomly(rows, random);
      const List list = RandomList(12, random);
      const double budget = kErrorBudget * ReferenceOf(rows.view(), list).magnitude;
      for (const KernelTable* kernels : SupportedKernels()) {
        const RankedSums zeros;
        const double plain = kernels->accumulate(quantization, k)(
            rows.view(), list.slots.data(), list.xs.data(), 12, zeros.values, nullptr);
        ASSERT_NEAR(AccumulateOf(*kernels, rows.view(), ones, list, 0, 12, zeros, nullptr), plain,
                    budget)
            << kernels->name << " k=" << k;
      }
    }
  }
}

}  // namespace
}  // namespace fmserve::model
