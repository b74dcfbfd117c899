// Damage to a catalogue: a changed byte or a missing end is found, mostly by checksums, or does no
// harm.
#include <gtest/gtest.h>

#include <cstddef>

#include "tests/model/test_catalogue.h"

namespace fmserve::model {
namespace {

class CatalogueCorruptionTest : public ::testing::TestWithParam<IdType> {};

INSTANTIATE_TEST_SUITE_P(EveryTypeOfId, CatalogueCorruptionTest,
                         ::testing::Values(IdType::kInteger, IdType::kString),
                         [](const auto& instance) {
                           return instance.param == IdType::kInteger ? "Integer" : "String";
                         });

TEST_P(CatalogueCorruptionTest, EveryChangedByteIsRefused) {
  AlignedBytes bytes = SampleCatalogue(GetParam());
  ASSERT_TRUE(CatalogueFile::FromBytes(bytes.span()).ok());
  for (size_t i = 0; i < bytes.span().size(); ++i) {
    for (const int mask : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff, 0x55}) {
      bytes.span()[i] ^= static_cast<std::byte>(mask);
      EXPECT_FALSE(CatalogueFile::FromBytes(bytes.span()).ok()) << "byte " << i << " ^ " << mask;
      bytes.span()[i] ^= static_cast<std::byte>(mask);
    }
  }
}

TEST_P(CatalogueCorruptionTest, EveryTruncationIsRefused) {
  const AlignedBytes bytes = SampleCatalogue(GetParam());
  for (size_t size = 0; size < bytes.span().size(); ++size) {
    const AlignedBytes shorter(bytes.span().first(size));
    EXPECT_FALSE(CatalogueFile::FromBytes(shorter.span()).ok()) << size;
  }
}

// What one changed byte makes of a file whose checksums were made right again: refused, or sound
// enough to fold and to scan.
TEST_P(CatalogueCorruptionTest, EveryChangedByteWithRightChecksumsIsRefusedOrScans) {
  const AlignedBytes weight_bytes = SampleBytes(Quantization::kF16);
  const auto weights = WeightFile::FromBytes(weight_bytes.span()).value();
  const KernelTable& kernels = *SupportedKernels().back();
  Scratch context;
  Scorer(*weights, kernels).ScoreContext({}, context);
  const AlignedBytes bytes = SampleCatalogue(GetParam());
  for (size_t i = 0; i < bytes.span().size(); ++i) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      AlignedBytes forged = bytes;
      forged.span()[i] ^= static_cast<std::byte>(mask);
      FixChecksums(forged.span());
      const auto file = CatalogueFile::FromBytes(forged.span());
      if (!file.ok()) continue;
      const auto folded = FoldedCatalogue::Fold(weights, *file, kernels);
      if (!folded.ok()) continue;
      TopKMemory memory;
      EXPECT_EQ((*folded)->Best(context, 10, nullptr, Always, memory).items.size(), (*file)->size())
          << "byte " << i << " ^ " << mask;
    }
  }
}

}  // namespace
}  // namespace fmserve::model
