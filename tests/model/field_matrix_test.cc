#include "model/field_matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "model/field_factors.h"
#include "tests/model/test_model.h"

namespace fmserve::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Of three fields, by hand.
FieldMatrix Matrix() {
  return {.rank = 2, .scales = {2.0F, -1.0F}, .factors = {1.0F, 3.0F, 0.5F, 0.0F, -1.0F, 2.0F}};
}

std::string Refusal(const FieldMatrix& matrix, size_t fields_count = 3, uint32_t k = 8) {
  const absl::Status status = CheckFieldMatrix(matrix, fields_count, k);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

TEST(FieldMatrixTest, WeightsAreTheSumOverRanks) {
  EXPECT_EQ(Matrix().Weight(0, 0), 2.0 * 1.0 - 9.0);
  EXPECT_EQ(Matrix().Weight(0, 1), 2.0 * 0.5);
  EXPECT_EQ(Matrix().Weight(0, 2), -2.0 - 6.0);
  EXPECT_EQ(Matrix().Weight(1, 2), -1.0);
  EXPECT_EQ(Matrix().Weight(2, 1), -1.0);
}

TEST(FieldMatrixTest, OfItsSizesAndLimitsIsTaken) {
  EXPECT_TRUE(CheckFieldMatrix(Matrix(), 3, 128).ok());
  EXPECT_TRUE(CheckFieldMatrix(RandomFieldMatrix(16, 256, 1), 256, 16).ok());
  EXPECT_TRUE(CheckFieldMatrix(RandomFieldMatrix(1, 1, 1), 1, 256).ok());
}

TEST(FieldMatrixTest, OfOtherSizesIsRefused) {
  EXPECT_THAT(Refusal({}), HasSubstr("the rank is 0, not 1 to 16"));
  EXPECT_THAT(Refusal(RandomFieldMatrix(17, 3, 1), 3, 1), HasSubstr("the rank is 17, not 1 to 16"));
  EXPECT_THAT(Refusal(Matrix(), 3, 129), HasSubstr("rank 2 times k = 129 is more than 256"));
  EXPECT_THAT(Refusal(Matrix(), 4),
              HasSubstr("2 scales and 6 factors, but rank 2 and 4 fields take 2 and 8"));
  FieldMatrix matrix = Matrix();
  matrix.scales.push_back(1.0F);
  EXPECT_THAT(Refusal(matrix), HasSubstr("3 scales and 6 factors"));
}

TEST(FieldMatrixTest, WithNumbersThatNoScoreCanHaveIsRefused) {
  FieldMatrix matrix = Matrix();
  matrix.scales[1] = std::nanf("");
  EXPECT_THAT(Refusal(matrix), HasSubstr("scale 1 is not finite"));
  matrix = Matrix();
  matrix.factors[5] = -kInfinity;
  EXPECT_THAT(Refusal(matrix), HasSubstr("factor 1 of field 2 is not finite"));
  matrix.factors[5] = 2e19F;
  EXPECT_THAT(Refusal(matrix), HasSubstr("factor 1 of field 2 squared, times its scale"));
  matrix.factors[5] = 1.8e19F;
  EXPECT_TRUE(CheckFieldMatrix(matrix, 3, 8).ok());
}

TEST(FieldMatrixTest, ItsBytesAreTheMatrix) {
  const std::string bytes = SerializeFieldMatrix(Matrix());
  EXPECT_EQ(bytes.size(), 4U + 2 * 4 + 6 * 4);
  const auto parsed = ParseFieldMatrix(bytes, 3, 8);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, Matrix());
}

TEST(FieldMatrixTest, BytesOfOtherFieldsAreRefused) {
  const std::string bytes = SerializeFieldMatrix(Matrix());
  for (const size_t fields_count : {0, 2, 4, 256}) {
    const auto parsed = ParseFieldMatrix(bytes, fields_count, 8);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kDataLoss) << fields_count;
  }
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(ParseFieldMatrix(bytes.substr(0, size), 3, 8).ok()) << size;
}

TEST(FieldFactorsTest, TakeTheSizesOfScalesIntoTheFactorsAndLeaveTheSigns) {
  FieldMatrix matrix = Matrix();
  matrix.scales = {4.0F, -0.25F};
  const FieldFactors factors(matrix);
  EXPECT_EQ(factors.rank(), 2U);
  EXPECT_THAT(
      std::vector<float>(factors.view().factors, factors.view().factors + 12),
      ElementsAre(2.0F, 1.5F, 2.0F, -1.5F, 1.0F, 0.0F, 1.0F, 0.0F, -2.0F, 1.0F, -2.0F, -1.0F));
  // Of the last field that a number of 8 bits names.
  EXPECT_EQ(factors.view().factors[255 * 4 + 3], 0.0F);
}

TEST(FieldFactorsTest, PackRanksWithoutPaddingAndContextsWithSigns) {
  const FieldFactors factors(Matrix());
  float sums[32] = {};
  for (const int at : {0, 1, 2, 16, 17, 18}) sums[at] = static_cast<float>(at + 1);
  std::vector<float> packed(6);
  factors.PackItem(sums, 3, packed.data());
  EXPECT_THAT(packed, ElementsAre(1.0F, 2.0F, 3.0F, 17.0F, 18.0F, 19.0F));
  factors.PackContext(sums, 3, packed.data());
  EXPECT_THAT(packed, ElementsAre(1.0F, 2.0F, 3.0F, -17.0F, -18.0F, -19.0F));
}

}  // namespace
}  // namespace fmserve::model
