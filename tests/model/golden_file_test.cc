// Files of every released format version are read for ever (tests/golden/README.md).
#include <gtest/gtest.h>

#include "model/weight_file.h"
#include "tests/model/sample_file.h"

namespace fmserve::model {
namespace {

struct GoldenFile {
  const char* name;
  const char* path;
  Quantization quantization;
  double first_score;  // of the first golden: pins what the file says, not only that it agrees with
                       // itself
  SampleKind kind = SampleKind::kPlain;

  friend void PrintTo(const GoldenFile& file, std::ostream* out) { *out << file.path; }
};

class GoldenFileTest : public ::testing::TestWithParam<GoldenFile> {};

TEST_P(GoldenFileTest, IsReadAndScoresAsWhenItWasWritten) {
  const auto file = WeightFile::Open(GetParam().path);
  ASSERT_TRUE(file.ok()) << file.status();
  const WeightInfo& info = (*file)->info();
  EXPECT_EQ(info.format_major, 1);
  EXPECT_EQ(info.model_name, "ctr");
  EXPECT_EQ(info.version, 7U);
  EXPECT_EQ(info.quantization, GetParam().quantization);
  EXPECT_EQ(info.k, 3U);
  EXPECT_EQ(info.rows_count, 8U);
  EXPECT_EQ((*file)->field_matrix(),
            SampleOptions(GetParam().quantization, GetParam().kind).field_matrix);
  EXPECT_EQ(info.calibration.scale, 0.9);
  EXPECT_EQ(info.calibration.offset, -0.125);
  EXPECT_EQ((*file)->schema().fields(), SampleSchema().fields());
  EXPECT_EQ((*file)->metadata(), (Metadata{{"data.train.rows", "1000"}, {"option.k", "3"}}));
  ASSERT_EQ((*file)->goldens().size(), 2U);
  EXPECT_DOUBLE_EQ((*file)->goldens()[0].score, GetParam().first_score);
  for (const Golden& golden : (*file)->goldens()) {
    EXPECT_DOUBLE_EQ(ExplainCells(**file, golden.cells).value(), golden.score);
    EXPECT_NEAR(ScoreCells(**file, golden.cells).value(), golden.score, 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Version1, GoldenFileTest,
    ::testing::Values(
        GoldenFile{"f32", "tests/golden/v1_f32.fmw", Quantization::kF32, 0.67624994096656554},
        GoldenFile{"f16", "tests/golden/v1_f16.fmw", Quantization::kF16, 0.67612017378115219},
        GoldenFile{"int8", "tests/golden/v1_int8.fmw", Quantization::kInt8, 0.68319739801975043},
        GoldenFile{"field_weighted", "tests/golden/v1_field_weighted.fmw", Quantization::kF32,
                   0.18502612838832166, SampleKind::kFieldWeighted}),
    [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace fmserve::model
