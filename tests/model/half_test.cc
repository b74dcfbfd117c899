#include "model/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace fmserve::model {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kMaxFloat = std::numeric_limits<float>::max();

// The definition of binary16, in double.
double HalfByDefinition(uint16_t half) {
  const int exponent = (half >> 10) & 31;
  const int fraction = half & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST(HalfTest, EveryFiniteHalfHasTheValueOfItsDefinitionAndSurvivesARoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    if ((half & 0x7c00) == 0x7c00) continue;
    const float value = FloatFromHalf(half);
    ASSERT_EQ(double{value}, HalfByDefinition(half)) << "half 0x" << std::hex << bits;
    ASSERT_EQ(std::signbit(value), (half & 0x8000) != 0) << "half 0x" << std::hex << bits;
    ASSERT_EQ(HalfFromFloat(value), half) << "half 0x" << std::hex << bits;
  }
}

TEST(HalfTest, InfinitiesAndNansStayWhatTheyAre) {
  EXPECT_EQ(FloatFromHalf(0x7c00), kInfinity);
  EXPECT_EQ(FloatFromHalf(0xfc00), -kInfinity);
  EXPECT_EQ(HalfFromFloat(kInfinity), 0x7c00);
  EXPECT_EQ(HalfFromFloat(-kInfinity), 0xfc00);
  for (uint32_t half = 0x7c01; half < 0x8000; ++half) {
    const float nan = FloatFromHalf(static_cast<uint16_t>(half));
    ASSERT_TRUE(std::isnan(nan)) << half;
    ASSERT_TRUE(std::isnan(FloatFromHalf(HalfFromFloat(nan)))) << half;
  }
}

TEST(HalfTest, HalfwayBetweenTwoHalvesGoesToTheEvenOneAndItsNeighboursToTheNearest) {
  for (uint16_t lower = 0; lower < 0x7bff; ++lower) {
    const auto upper = static_cast<uint16_t>(lower + 1);
    const auto halfway =
        static_cast<float>((HalfByDefinition(lower) + HalfByDefinition(upper)) / 2);
    const uint16_t even = lower % 2 == 0 ? lower : upper;
    ASSERT_EQ(HalfFromFloat(halfway), even) << lower;
    ASSERT_EQ(HalfFromFloat(-halfway), even | 0x8000) << lower;
    ASSERT_EQ(HalfFromFloat(std::nextafter(halfway, 0.0F)), lower);
    ASSERT_EQ(HalfFromFloat(std::nextafter(halfway, kInfinity)), upper);
  }
}

TEST(HalfTest, WhatRoundsBeyondTheLargestHalfIsInfinite) {
  EXPECT_EQ(HalfFromFloat(std::nextafter(65520.0F, 0.0F)), 0x7bff);
  EXPECT_EQ(HalfFromFloat(65520.0F), 0x7c00);
  EXPECT_EQ(HalfFromFloat(-kMaxFloat), 0xfc00);
}

TEST(HalfTest, RandomFloatsRoundToANearestHalf) {
  std::mt19937 random(16);
  for (int round = 0; round < 1'000'000; ++round) {
    const auto value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (!(std::abs(value) < 65520.0F)) continue;
    const uint16_t half = HalfFromFloat(value);
    const double error = std::abs(HalfByDefinition(half) - double{value});
    for (const int step : {-1, 1}) {
      const auto neighbour = static_cast<uint16_t>(half + step);
      if ((half & 0x7fff) == 0 && step < 0) continue;
      if ((neighbour & 0x7c00) == 0x7c00) continue;
      ASSERT_LE(error, std::abs(HalfByDefinition(neighbour) - double{value}))
          << "float bits 0x" << std::hex << std::bit_cast<uint32_t>(value);
    }
  }
}

}  // namespace
}  // namespace fmserve::model
