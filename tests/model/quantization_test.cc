#include "model/quantization.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "model/row_layout.h"
#include "model/weight_format.h"

namespace fmserve::model {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

constexpr Quantization kQuantizations[] = {Quantization::kF32, Quantization::kF16,
                                           Quantization::kInt8};
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kMaxFloat = std::numeric_limits<float>::max();
constexpr float kMinSubnormal = std::numeric_limits<float>::denorm_min();

std::vector<std::byte> Encode(Quantization quantization, std::span<const float> v, uint64_t key = 7,
                              float w = 0.5F) {
  std::vector<std::byte> row(RowStrideBytes(quantization, static_cast<uint32_t>(v.size())),
                             std::byte{0xaa});
  const absl::Status status = EncodeRow(quantization, key, w, v, row);
  EXPECT_TRUE(status.ok()) << status;
  return row;
}

std::vector<float> RoundTrip(Quantization quantization, std::span<const float> v) {
  const std::vector<std::byte> row = Encode(quantization, v);
  std::vector<float> decoded(v.size());
  DecodeRow(quantization, row.data(), decoded);
  return decoded;
}

format::RowPrefix PrefixOf(const std::vector<std::byte>& row) {
  format::RowPrefix prefix;
  std::memcpy(&prefix, row.data(), sizeof(prefix));
  return prefix;
}

TEST(QuantizationTest, ARowHoldsKeyWeightValuesAndZerosUpToTheStride) {
  const std::vector<float> v = {1.0F, -0.5F, 0.25F};
  for (const Quantization quantization : kQuantizations) {
    SCOPED_TRACE(Name(quantization));
    const std::vector<std::byte> row = Encode(quantization, v, 0x0123456789abcdef, -3.25F);
    EXPECT_EQ(PrefixOf(row).key, 0x0123456789abcdefU);
    EXPECT_EQ(PrefixOf(row).w, -3.25F);
    const size_t value_bytes = quantization == Quantization::kF32   ? 4
                               : quantization == Quantization::kF16 ? 2
                                                                    : 1;
    const size_t used_bytes = sizeof(format::RowPrefix) + v.size() * value_bytes;
    EXPECT_THAT(std::span(row).subspan(used_bytes), Each(std::byte{0}));
  }
}

TEST(QuantizationTest, F32KeepsEveryBit) {
  const std::vector<float> v = {0.1F, -kMaxFloat, kMinSubnormal, 0.0F, 1e-20F};
  EXPECT_THAT(RoundTrip(Quantization::kF32, v), ElementsAreArray(v));
}

TEST(QuantizationTest, F16KeepsWhatAHalfCanHold) {
  const std::vector<float> v = {1.0F, -65504.0F, 0x1p-24F, 0.0F, 1.0F + 0x1p-10F};
  EXPECT_THAT(RoundTrip(Quantization::kF16, v), ElementsAreArray(v));
}

TEST(QuantizationTest, Int8KeepsMultiplesOfTheScale) {
  const std::vector<float> v = {127.0F, -127.0F, 1.0F, 0.0F, -64.0F};
  EXPECT_EQ(PrefixOf(Encode(Quantization::kInt8, v)).scale, 1.0F);
  EXPECT_THAT(RoundTrip(Quantization::kInt8, v), ElementsAreArray(v));
}

TEST(QuantizationTest, Int8RowsTooSmallForANormalScaleBecomeZero) {
  const std::vector<float> v = {std::nextafter(0x1p-119F, 0.0F), -kMinSubnormal};
  EXPECT_EQ(PrefixOf(Encode(Quantization::kInt8, v)).scale, 1.0F);
  EXPECT_THAT(RoundTrip(Quantization::kInt8, v), ElementsAre(0.0F, 0.0F));
}

TEST(QuantizationTest, ScaleTimesInt8IsExactInFloat) {
  std::mt19937 random(8);
  std::uniform_real_distribution<float> mantissa(1.0F, 2.0F);
  for (int round = 0; round < 10'000; ++round) {
    const float max = std::ldexp(mantissa(random), static_cast<int>(random() % 246) - 119);
    const float scale = PrefixOf(Encode(Quantization::kInt8, {&max, 1})).scale;
    ASSERT_TRUE(std::isnormal(scale)) << max;
    for (int stored = -127; stored <= 127; ++stored) {
      ASSERT_EQ(double{scale * static_cast<float>(stored)}, double{scale} * stored) << max;
    }
  }
}

TEST(QuantizationTest, RefusesWhatItCannotEncodeAndNamesIt) {
  std::vector<std::byte> row(RowStrideBytes(Quantization::kF16, 3), std::byte{0xaa});
  const auto encode = [&row](float w, std::vector<float> v, uint64_t key = 1) {
    return std::string(EncodeRow(Quantization::kF16, key, w, v, row).message());
  };
  EXPECT_THAT(encode(0.0F, {0.0F, std::nanf(""), 0.0F}), HasSubstr("v[1] is nan"));
  EXPECT_THAT(encode(0.0F, {0.0F, 0.0F, -kInfinity}), HasSubstr("v[2] is -inf"));
  EXPECT_THAT(encode(0.0F, {0.0F, 0.0F, 65505.0F}), HasSubstr("v[2] is 65505, beyond the range"));
  EXPECT_THAT(encode(kInfinity, {0.0F, 0.0F, 0.0F}), HasSubstr("w is inf"));
  EXPECT_THAT(encode(0.0F, {}), HasSubstr("1 to 256 factors, not 0"));
  EXPECT_THAT(encode(0.0F, std::vector<float>(257)), HasSubstr("1 to 256 factors, not 257"));
  EXPECT_THAT(encode(0.0F, std::vector<float>(100)), HasSubstr("bytes, not"));
  EXPECT_THAT(encode(0.0F, {0.0F, 0.0F, 0.0F}, format::kEmptyKey), HasSubstr("key 0"));
  EXPECT_THAT(row, Each(std::byte{0xaa}));
}

// Rows that strain an encoding in different ways; every element fits f16.
std::vector<std::vector<float>> AdversarialRows(size_t k) {
  std::vector<std::vector<float>> rows;
  for (const float value : {0.0F, 1.0F, 1.0F / 3.0F, -65504.0F, kMinSubnormal, 0x1p-24F, 0x1p-25F,
                            std::nextafter(0x1p-25F, 1.0F), 0x1p-119F,
                            std::nextafter(0x1p-119F, 0.0F), 0x1p-126F, 127.5F, 1e-6F}) {
    rows.emplace_back(k, value);  // all equal
    std::vector<float> one_huge(k, value / 300.0F);
    one_huge[k / 2] = value;
    rows.push_back(one_huge);
    std::vector<float> halfway(k);  // steps and a half of the int8 grid
    for (size_t f = 0; f < k; ++f)
      halfway[f] = value * (static_cast<float>(f % 127) + 0.5F) / 127.0F;
    halfway[0] = value;
    rows.push_back(halfway);
  }
  return rows;
}

void ExpectWithinRowBound(Quantization quantization, const std::vector<float>& v) {
  const std::vector<float> decoded = RoundTrip(quantization, v);
  const double bound = RowErrorBound(quantization, v);
  for (size_t f = 0; f < v.size(); ++f) {
    ASSERT_LE(std::abs(double{decoded[f]} - double{v[f]}), bound)
        << Name(quantization) << " v[" << f << "] = " << v[f] << " of " << v.size();
  }
}

TEST(QuantizationTest, AdversarialRowsStayWithinTheRowBound) {
  for (const Quantization quantization : kQuantizations) {
    for (const size_t k : {1, 3, 16, 256}) {
      for (const std::vector<float>& v : AdversarialRows(k)) ExpectWithinRowBound(quantization, v);
    }
  }
  for (const float max : {kMaxFloat, std::nextafter(kMaxFloat, 0.0F), 0x1p127F}) {
    ExpectWithinRowBound(Quantization::kInt8, {max, -max, max / 3, max / 254, kMinSubnormal});
  }
}

std::vector<float> RandomRow(size_t k, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<int> exponent(-30, 10);
  const int row_exponent = exponent(random);
  std::vector<float> v(k);
  for (float& value : v) value = std::ldexp(normal(random), row_exponent);
  return v;
}

TEST(QuantizationTest, RandomRowsStayWithinTheRowBound) {
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    const std::vector<float> v = RandomRow(1 + random() % 64, random);
    for (const Quantization quantization : kQuantizations) ExpectWithinRowBound(quantization, v);
  }
}

double InteractionsOf(const std::vector<std::vector<float>>& rows, std::span<const double> xs) {
  double score = 0.0;
  for (size_t i = 0; i < rows.size(); ++i) {
    for (size_t j = i + 1; j < rows.size(); ++j) {
      double dot = 0.0;
      for (size_t f = 0; f < rows[i].size(); ++f) dot += double{rows[i][f]} * rows[j][f];
      score += dot * xs[i] * xs[j];
    }
  }
  return score;
}

void ExpectWithinScoreBound(const std::vector<std::vector<float>>& rows,
                            std::span<const double> xs) {
  for (const Quantization quantization : kQuantizations) {
    std::vector<std::vector<float>> decoded;
    std::vector<WeightedRow> weighted;
    for (size_t i = 0; i < rows.size(); ++i) {
      decoded.push_back(RoundTrip(quantization, rows[i]));
      weighted.push_back({rows[i], xs[i]});
    }
    const double error = std::abs(InteractionsOf(decoded, xs) - InteractionsOf(rows, xs));
    ASSERT_LE(error, ScoreErrorBound(quantization, weighted)) << Name(quantization);
  }
}

TEST(QuantizationTest, ScoresOfRandomListsStayWithinTheScoreBound) {
  std::mt19937 random(2);
  std::normal_distribution<double> normal;
  for (int round = 0; round < 500; ++round) {
    const size_t k = 1 + random() % 40;
    std::vector<std::vector<float>> rows(2 + random() % 20);
    std::vector<double> xs;
    for (std::vector<float>& row : rows) {
      row = RandomRow(k, random);
      xs.push_back(normal(random));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectWithinScoreBound(rows, xs)) << "round " << round;
  }
}

TEST(QuantizationTest, ScoresOfAdversarialPairsStayWithinTheScoreBound) {
  const std::vector<std::vector<float>> rows = AdversarialRows(16);
  for (const std::vector<float>& first : rows) {
    for (const std::vector<float>& second : rows) {
      const double xs[] = {-3.0, 0.125};
      ASSERT_NO_FATAL_FAILURE(ExpectWithinScoreBound({first, second}, xs));
    }
  }
}

TEST(QuantizationTest, TheScoreBoundIsNotVacuous) {
  const std::vector<float> v(16, 0.1F);
  const WeightedRow rows[] = {{v, 1.0}, {v, 1.0}};
  EXPECT_EQ(ScoreErrorBound(Quantization::kF32, rows), 0.0);
  EXPECT_LT(ScoreErrorBound(Quantization::kF16, rows), 0.16 * 0x1p-9);
  EXPECT_LT(ScoreErrorBound(Quantization::kInt8, rows), 0.16 / 120);
}

}  // namespace
}  // namespace fmserve::model
