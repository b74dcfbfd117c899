#include "model/weight_delta.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "model/delta_layout.h"
#include "tests/model/sample_delta.h"

namespace fmserve::model {
namespace {

using ::testing::HasSubstr;

// Makes a delta, applies it, and expects the very bytes. Returns its size.
size_t ExpectExact(const DeltaModel& base_model, const DeltaModel& result_model,
                   DeltaCounts* counts = nullptr) {
  const auto base = OpenModel(base_model);
  const auto result = OpenModel(result_model);
  const auto delta = MakeDelta(*base, *result, counts);
  EXPECT_TRUE(delta.ok()) << delta.status();
  const auto made = ApplyDelta(delta->span(), *base);
  EXPECT_TRUE(made.ok()) << made.status();
  const std::string_view expected(reinterpret_cast<const char*>(result->bytes().data()),
                                  result->bytes().size());
  EXPECT_TRUE(made.ok() && *made == expected);
  return delta->span().size();
}

// Gives every n-th row new weights.
DeltaModel Retrained(DeltaModel model, uint64_t n) {
  for (auto& [key, row] : model.rows) {
    if (key % n == 0) ++row.seed;
  }
  return model;
}

// Takes keys 1 to `removed` away and adds as many new ones.
DeltaModel Moved(DeltaModel model, uint64_t removed, uint64_t added) {
  for (uint64_t key = 1; key <= removed; ++key) model.rows.erase(key);
  for (uint64_t i = 1; i <= added; ++i)
    model.rows[1'000'000 + i] = {.seed = 3, .count = i, .name = "new"};
  return model;
}

class EachQuantizationDeltaTest : public testing::TestWithParam<Quantization> {
 protected:
  static DeltaModel Base(uint64_t rows_count) {
    DeltaModel model = ModelOfRows(rows_count);
    model.quantization = GetParam();
    return model;
  }
};

TEST_P(EachQuantizationDeltaTest, ChangedRowsGiveTheVeryBytes) {
  DeltaCounts counts;
  ExpectExact(Base(3000), Retrained(Base(3000), 10), &counts);
  EXPECT_EQ(counts.changed, 300U);
  EXPECT_EQ(counts.added, 0U);
  EXPECT_EQ(counts.removed, 0U);
}

TEST_P(EachQuantizationDeltaTest, NewAndRemovedRowsMoveAllOthersAndGiveTheVeryBytes) {
  DeltaCounts counts;
  ExpectExact(Base(3000), Moved(Retrained(Base(3000), 10), 30, 50), &counts);
  EXPECT_EQ(counts.changed, 297U);
  EXPECT_EQ(counts.added, 50U);
  EXPECT_EQ(counts.removed, 30U);
}

INSTANTIATE_TEST_SUITE_P(Quantizations, EachQuantizationDeltaTest,
                         testing::Values(Quantization::kF32, Quantization::kF16,
                                         Quantization::kInt8));

TEST(WeightDeltaTest, ANewFieldMatrixGivesTheVeryBytes) {
  const DeltaModel plain = ModelOfRows(300);
  DeltaModel weighted = plain;
  weighted.field_matrix =
      SampleOptions(Quantization::kF32, SampleKind::kFieldWeighted).field_matrix;
  DeltaModel retrained = Retrained(weighted, 10);
  retrained.field_matrix->scales[0] = 0.25F;
  ExpectExact(weighted, Retrained(weighted, 10));
  ExpectExact(weighted, retrained);
  ExpectExact(plain, weighted);
  ExpectExact(weighted, plain);
}

TEST(WeightDeltaTest, NothingNewIsAlmostNothing) {
  EXPECT_LT(ExpectExact(ModelOfRows(5000), ModelOfRows(5000)), 2000U);
}

TEST(WeightDeltaTest, CountsNamesAndMetadataFollow) {
  DeltaModel result = ModelOfRows(500);
  result.note = "b";
  result.training_rows = 200;
  result.rows[7].count = 70;
  result.rows[8].name = "another name";
  result.rows[9].name = "";
  ExpectExact(ModelOfRows(500), result);
  ExpectExact(ModelOfRows(500), Moved(result, 5, 9));
}

TEST(WeightDeltaTest, SectionsMayComeAndGo) {
  DeltaModel bare = ModelOfRows(500);
  bare.with_names = false;
  bare.training_rows = std::nullopt;
  ExpectExact(bare, ModelOfRows(500));
  ExpectExact(ModelOfRows(500), bare);
  ExpectExact(Moved(bare, 10, 20), ModelOfRows(500));
  ExpectExact(bare, Moved(bare, 10, 20));
}

TEST(WeightDeltaTest, ModelsMayBeEmpty) {
  ExpectExact(ModelOfRows(0), ModelOfRows(100));
  ExpectExact(ModelOfRows(100), ModelOfRows(0));
  ExpectExact(ModelOfRows(0), ModelOfRows(0));
}

TEST(WeightDeltaTest, ALongNameIsStreamed) {
  DeltaModel result = ModelOfRows(50);
  result.rows[3].name = std::string(3 << 20, 'n');
  ExpectExact(ModelOfRows(50), result);
  ExpectExact(result, Retrained(result, 3));
}

struct Share {
  uint64_t every;  // n-th row changes
  uint64_t moved;  // removed, and added
  double most;     // of the bytes of the result
};

class ShareTest : public testing::TestWithParam<Share> {};

TEST_P(ShareTest, IsNotMuchMoreThanThatOfTheRowsThatChanged) {
  DeltaModel base = ModelOfRows(20000);
  base.quantization = Quantization::kF16;
  base.k = 16;
  const DeltaModel result =
      Moved(Retrained(base, GetParam().every), GetParam().moved, GetParam().moved);
  const size_t bytes = ExpectExact(base, result);
  const double share =
      static_cast<double>(bytes) / static_cast<double>(OpenModel(result)->bytes().size());
  EXPECT_LE(share, GetParam().most);
  RecordProperty("share", std::to_string(share));
}

INSTANTIATE_TEST_SUITE_P(Shares, ShareTest,
                         testing::Values(Share{100, 0, 0.014}, Share{20, 0, 0.07},
                                         Share{5, 0, 0.28}, Share{20, 200, 0.07}));

TEST(WeightDeltaTest, RowsOfAnotherLayoutAreShippedWhole) {
  DeltaModel other = ModelOfRows(10);
  other.quantization = Quantization::kInt8;
  EXPECT_EQ(MakeDelta(*OpenModel(ModelOfRows(10)), *OpenModel(other)).status().code(),
            absl::StatusCode::kFailedPrecondition);
  other = ModelOfRows(10);
  other.k = 4;
  EXPECT_EQ(MakeDelta(*OpenModel(ModelOfRows(10)), *OpenModel(other)).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(WeightDeltaTest, SaysWhatItIsAndForWhat) {
  const auto base = OpenModel(ModelOfRows(10));
  const auto result = OpenModel(ModelOfRows(20));
  const auto bytes = MakeDelta(*base, *result);
  const auto delta = DeltaFile::FromBytes(bytes->span(), NeverStop);
  ASSERT_TRUE(delta.ok()) << delta.status();
  EXPECT_EQ(delta->info().model_name, "ctr");
  EXPECT_EQ(delta->info().version, 7U);
  EXPECT_EQ(delta->info().base_size, base->bytes().size());
  EXPECT_EQ(delta->info().result_size, result->bytes().size());
  EXPECT_EQ(delta->info().base_sha256, Sha256Bytes{1});
  EXPECT_EQ(delta->info().result_sha256, Sha256Bytes{2});
}

TEST(WeightDeltaTest, RefusesAnotherBaseAndTooLargeAResult) {
  const auto base = OpenModel(ModelOfRows(100));
  const auto delta = MakeDelta(*base, *OpenModel(Moved(ModelOfRows(100), 3, 4)));
  EXPECT_THAT(
      std::string(ApplyDelta(delta->span(), *OpenModel(ModelOfRows(50))).status().message()),
      HasSubstr("the delta: made for a base of"));
  EXPECT_EQ(ApplyDelta(delta->span(), *base, 1000).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DeltaFile::FromBytes(base->bytes(), NeverStop).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(WeightDeltaTest, EveryTruncationIsRefused) {
  const auto base = OpenModel(ModelOfRows(50));
  const auto delta = MakeDelta(*base, *OpenModel(Moved(ModelOfRows(50), 3, 4)));
  for (size_t size = 0; size < delta->span().size(); ++size) {
    const AlignedBytes cut(delta->span().first(size));
    EXPECT_FALSE(ApplyDelta(cut.span(), *base).ok()) << size;
  }
}

TEST(WeightDeltaTest, ForgedBytesAreRefusedOrGiveSomethingElseOfTheRightSize) {
  const auto base = OpenModel(ModelOfRows(50));
  const auto result = OpenModel(Moved(Retrained(ModelOfRows(50), 5), 3, 4));
  const auto delta = MakeDelta(*base, *result);
  std::minstd_rand random(1);
  for (size_t at = 0; at < delta->span().size(); ++at) {
    AlignedBytes forged(delta->span());
    forged.span()[at] ^= static_cast<std::byte>(1 + random() % 255);
    EXPECT_TRUE(at < sizeof(FileEnvelope) || !ApplyDelta(forged.span(), *base).ok())
        << "the checksum of byte " << at << " does not show it";
    FixChecksums(forged.span());
    const auto made = ApplyDelta(forged.span(), *base);
    EXPECT_TRUE(!made.ok() || made->size() == result->bytes().size()) << at;
  }
}

}  // namespace
}  // namespace fmserve::model
