#include "trainer/rewrite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "model/quantization.h"
#include "tests/trainer/small_model.h"
#include "trainer/table_scorer.h"

namespace fmserve::trainer {
namespace {

using ::testing::HasSubstr;

SmallModel Model() {
  return {.rows = {{"user", "u1", 0.3F, {0.1F, 0.7F}, 7}, {"ad", "a1", -0.2F, {0.4F, 0.9F}, 3}},
          .w0 = -1.5};
}

absl::StatusOr<RewriteReport> Quantize(const std::shared_ptr<const model::WeightFile>& file,
                                       model::Quantization quantization, const std::string& path,
                                       uint64_t max_file_bytes = 1 << 20) {
  model::WeightFileOptions options = InheritOptions(*file);
  options.quantization = quantization;
  options.max_file_bytes = max_file_bytes;
  return Rewrite(FileRows(file), options, file->goldens(), file->metadata(), path);
}

class RewriteTest : public testing::TestWithParam<model::Quantization> {};

TEST_P(RewriteTest, RowsAreReencodedAndGoldensFollowTheRowsAsStored) {
  const auto file = Open(Model());
  const std::string path = FreshPath();
  const auto report = Quantize(file, GetParam(), path);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->rows, 2U);
  EXPECT_EQ(report->goldens, 1U);
  const auto written = *model::WeightFile::Open(path);
  EXPECT_EQ(written->info().quantization, GetParam());
  EXPECT_EQ(written->info().w0, -1.5);
  EXPECT_EQ(written->counts()->rows, 100U);
  EXPECT_EQ(written->goldens()[0].cells, file->goldens()[0].cells);
  EXPECT_NEAR(written->goldens()[0].score, -1.5 + 0.3 - 0.2 + 0.1 * 0.4 + 0.7 * 0.9, 0.01);
  EXPECT_NEAR(report->max_golden_change, std::abs(written->goldens()[0].score), 1e-12);
  EXPECT_LT(CheckGoldens(**TableScorer::Create(written))->max_error, 1e-6);
  FeatureRow before;
  FeatureRow after;
  for (const auto& [field, value] : {std::pair("user", "u1"), std::pair("ad", "a1")}) {
    ASSERT_TRUE(FileRows(file).Find(SmallKey(field, value), before));
    ASSERT_TRUE(FileRows(written).Find(SmallKey(field, value), after));
    EXPECT_EQ(after.w, before.w);
    EXPECT_EQ(after.count, before.count);
    EXPECT_EQ(after.name->value, value);
    for (size_t f = 0; f < 2; ++f)
      EXPECT_NEAR(after.v[f], before.v[f], model::RowErrorBound(GetParam(), before.v));
  }
}

TEST_P(RewriteTest, AFieldMatrixIsTakenOverAndGoldensAreWeighted) {
  SmallModel weighted = Model();
  weighted.field_matrix = model::FieldMatrix{
      .rank = 2, .scales = {3.0F, -0.5F}, .factors = {1.0F, 0.5F, -0.5F, 2.0F, 1.0F, 1.0F}};
  const auto file = Open(weighted);
  const std::string path = FreshPath();
  ASSERT_TRUE(Quantize(file, GetParam(), path).ok());
  const auto written = *model::WeightFile::Open(path);
  EXPECT_EQ(written->field_matrix(), weighted.field_matrix);
  EXPECT_NEAR(written->goldens()[0].score,
              -1.5 + 0.3 - 0.2 + (3.0 * -0.5 - 0.5 * 1.0) * (0.1 * 0.4 + 0.7 * 0.9), 0.02);
  EXPECT_LT(CheckGoldens(**TableScorer::Create(written))->max_error, 1e-6);
}

TEST_P(RewriteTest, RowsThatAreRewrittenTwiceDoNotChangeAgain) {
  const std::string path = FreshPath();
  const std::string again = FreshPath();
  ASSERT_TRUE(Quantize(Open(Model()), GetParam(), path).ok());
  const auto once = *model::WeightFile::Open(path);
  ASSERT_TRUE(Quantize(once, GetParam(), again).ok());
  EXPECT_TRUE(std::ranges::equal(once->bytes(), (*model::WeightFile::Open(again))->bytes()));
}

INSTANTIATE_TEST_SUITE_P(Quantizations, RewriteTest,
                         testing::Values(model::Quantization::kF32, model::Quantization::kF16,
                                         model::Quantization::kInt8));

TEST(RewriteLimitTest, WhatDoesNotFitIsNotWritten) {
  SmallModel large = Model();
  large.rows[0].v = {1e6F, 0.0F};
  const std::string path = FreshPath();
  EXPECT_THAT(
      std::string(Quantize(Open(large), model::Quantization::kF16, path).status().message()),
      HasSubstr("(field 'user', value 'u1'): v[0] is 1e+06, beyond the range of f16"));
  EXPECT_EQ(Quantize(Open(Model()), model::Quantization::kF32, path, 500).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(LineageTest, EveryOperationAddsALinkAndDropsMetricsThatAreNoLongerTrue) {
  const auto file = Open(Model());
  const Lineage prune = {.operation = "prune",
                         .options = "--min-count 2",
                         .parents = {{.sha256 = "aa", .info = file->info()}}};
  const Lineage quantize = {.operation = "quantize",
                            .options = "--rows f16",
                            .parents = {{.sha256 = "bb", .info = file->info()}}};
  const model::Metadata metadata =
      Inherit(Inherit({{"option.k", "2"}, {"metric.valid.logloss", "0.5"}}, prune), quantize);
  const model::Metadata expected = {{"option.k", "2"},
                                    {"lineage.1.operation", "prune"},
                                    {"lineage.1.options", "--min-count 2"},
                                    {"lineage.1.parent.1", "small version 0, 2 rows, sha256 aa"},
                                    {"lineage.2.operation", "quantize"},
                                    {"lineage.2.options", "--rows f16"},
                                    {"lineage.2.parent.1", "small version 0, 2 rows, sha256 bb"}};
  EXPECT_EQ(metadata, expected);
}

}  // namespace
}  // namespace fmserve::trainer
