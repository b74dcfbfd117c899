// Damage: a changed byte or a missing end is found, mostly by checksums, or does no harm.
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <tuple>

#include "model/weight_file.h"
#include "tests/model/sample_file.h"

namespace fmserve::model {
namespace {

class CorruptionTest : public ::testing::TestWithParam<std::tuple<Quantization, SampleKind>> {
 protected:
  static AlignedBytes Sample() {
    return SampleBytes(std::get<Quantization>(GetParam()), std::get<SampleKind>(GetParam()));
  }
};

INSTANTIATE_TEST_SUITE_P(
    EveryQuantizationAndKind, CorruptionTest,
    ::testing::Combine(::testing::Values(Quantization::kF32, Quantization::kF16,
                                         Quantization::kInt8),
                       ::testing::Values(SampleKind::kPlain, SampleKind::kFieldWeighted)),
    [](const auto& instance) {
      const bool plain = std::get<1>(instance.param) == SampleKind::kPlain;
      return std::string(Name(std::get<0>(instance.param))) + (plain ? "" : "_field_weighted");
    });

TEST_P(CorruptionTest, EveryChangedByteIsRefused) {
  AlignedBytes bytes = Sample();
  ASSERT_TRUE(WeightFile::FromBytes(bytes.span()).ok());
  for (size_t i = 0; i < bytes.span().size(); ++i) {
    for (const int mask : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff, 0x55}) {
      bytes.span()[i] ^= static_cast<std::byte>(mask);
      EXPECT_FALSE(WeightFile::FromBytes(bytes.span()).ok()) << "byte " << i << " ^ " << mask;
      bytes.span()[i] ^= static_cast<std::byte>(mask);
    }
  }
}

TEST_P(CorruptionTest, EveryTruncationIsRefused) {
  const AlignedBytes bytes = Sample();
  for (size_t size = 0; size < bytes.span().size(); ++size) {
    const AlignedBytes shorter(bytes.span().first(size));
    EXPECT_FALSE(WeightFile::FromBytes(shorter.span()).ok()) << size;
  }
}

// What one changed byte makes of a file whose checksums were made right again: refused, or sound
// enough to score.
TEST_P(CorruptionTest, EveryChangedByteWithRightChecksumsIsRefusedOrScores) {
  const AlignedBytes bytes = Sample();
  for (size_t i = 0; i < bytes.span().size(); ++i) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      AlignedBytes forged = bytes;
      forged.span()[i] ^= static_cast<std::byte>(mask);
      FixChecksums(forged.span());
      const auto file = WeightFile::FromBytes(forged.span());
      if (!file.ok()) continue;
      for (const Golden& golden : (*file)->goldens()) {
        const absl::StatusOr<float> score = ScoreCells(**file, golden.cells);
        EXPECT_FALSE(score.ok() && std::isnan(*score)) << "byte " << i << " ^ " << mask;
      }
      for (uint32_t slot = 0; slot < (*file)->info().slots_count; ++slot) (void)(*file)->name(slot);
    }
  }
}

}  // namespace
}  // namespace fmserve::model
