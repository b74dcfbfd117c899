#include "model/weight_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "model/checksum.h"
#include "tests/model/sample_file.h"

namespace fmserve::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class WeightFileTest : public ::testing::TestWithParam<Quantization> {
 protected:
  const AlignedBytes bytes_ = SampleBytes(GetParam());
  const std::shared_ptr<const WeightFile> file_ = WeightFile::FromBytes(bytes_.span()).value();
};

TEST_P(WeightFileTest, SaysWhatTheWriterWasTold) {
  const WeightFileOptions options = SampleOptions(GetParam());
  const WeightInfo& info = file_->info();
  EXPECT_EQ(info.format_major, 1);
  EXPECT_EQ(info.format_minor, 0);
  EXPECT_EQ(info.model_name, options.model_name);
  EXPECT_EQ(info.version, options.version);
  EXPECT_EQ(info.created_unix_us, options.created_unix_us);
  EXPECT_EQ(info.file_size, bytes_.span().size());
  EXPECT_EQ(info.task, Task::kBinary);
  EXPECT_EQ(info.quantization, GetParam());
  EXPECT_EQ(info.link, Link::kSigmoid);
  EXPECT_EQ(info.calibration.kind, CalibrationKind::kPlatt);
  EXPECT_EQ(info.calibration.scale, options.calibration.scale);
  EXPECT_EQ(info.calibration.offset, options.calibration.offset);
  EXPECT_EQ(info.k, 3U);
  EXPECT_EQ(info.rows_count, 8U);
  EXPECT_GE(info.slots_count, 8U);
  EXPECT_EQ(info.w0, options.w0);
}

TEST_P(WeightFileTest, CarriesSchemaGoldensAndMetadata) {
  EXPECT_EQ(file_->schema().fields(), SampleSchema().fields());
  ASSERT_EQ(file_->goldens().size(), 2U);
  EXPECT_THAT(file_->goldens()[0].cells, ElementsAre("ann", "30", "7", "sport:2|opera:1"));
  EXPECT_THAT(file_->metadata(),
              ElementsAre(std::pair("data.train.rows", "1000"), std::pair("option.k", "3")));
}

TEST_P(WeightFileTest, GoldensScoreAsStored) {
  for (const Golden& golden : file_->goldens()) {
    const absl::StatusOr<float> score = ScoreCells(*file_, golden.cells);
    ASSERT_TRUE(score.ok()) << score.status();
    EXPECT_NEAR(*score, golden.score, 1e-6);
  }
}

TEST_P(WeightFileTest, NamesFullSlotsAndNoOthers) {
  const uint32_t ann = file_->dictionary().Find(ValueKey(file_->schema().seed(0), "ann"));
  ASSERT_NE(ann, kNoSlot);
  ASSERT_TRUE(file_->name(ann).has_value());
  EXPECT_EQ(file_->name(ann)->field, 0);
  EXPECT_EQ(file_->name(ann)->value, "ann");
  size_t named_count = 0;
  for (uint32_t slot = 0; slot < file_->info().slots_count; ++slot)
    named_count += file_->name(slot).has_value();
  EXPECT_EQ(named_count, file_->info().rows_count);
  EXPECT_EQ(file_->name(kNoSlot), std::nullopt);
}

TEST_P(WeightFileTest, ListsItsSectionsInTheOrderOfTheFile) {
  std::vector<uint32_t> types;
  uint64_t end = 0;
  for (const SectionInfo& section : file_->sections()) {
    types.push_back(section.type);
    EXPECT_EQ(section.offset % format::kSectionAlignment, 0U);
    EXPECT_GE(section.offset, end);
    end = section.offset + section.size;
  }
  EXPECT_THAT(types, ElementsAre(1, 5, 4, 2, 3, 6));
  EXPECT_EQ(end, bytes_.span().size());
}

TEST_P(WeightFileTest, ServesFromDictionaryAndRowsAlone) {
  const std::vector<std::span<const std::byte>> serving = file_->serving_bytes();
  ASSERT_EQ(serving.size(), 2U);
  EXPECT_EQ(serving[0].size() % sizeof(uint16_t), 0U);
  EXPECT_EQ(serving[1].data(), file_->rows().bytes);
  EXPECT_EQ(serving[1].size(), file_->rows().slots_count * file_->rows().stride_bytes);
}

INSTANTIATE_TEST_SUITE_P(EveryQuantization, WeightFileTest,
                         ::testing::Values(Quantization::kF32, Quantization::kF16,
                                           Quantization::kInt8),
                         [](const auto& instance) { return std::string(Name(instance.param)); });

TEST(WeightFileOpenTest, TellsPlainFromFieldWeightedModels) {
  const AlignedBytes plain = SampleBytes(Quantization::kF16);
  const auto plain_file = WeightFile::FromBytes(plain.span()).value();
  EXPECT_FALSE(plain_file->field_matrix().has_value());
  EXPECT_EQ(plain_file->folded_k(), 3U);
  const AlignedBytes weighted = SampleBytes(Quantization::kF16, SampleKind::kFieldWeighted);
  const auto file = WeightFile::FromBytes(weighted.span()).value();
  EXPECT_EQ(file->field_matrix(),
            SampleOptions(Quantization::kF16, SampleKind::kFieldWeighted).field_matrix);
  EXPECT_EQ(file->folded_k(), 6U);
  EXPECT_EQ(file->info().k, 3U);
  for (const Golden& golden : file->goldens())
    EXPECT_NEAR(ScoreCells(*file, golden.cells).value(), golden.score, 1e-6);
}

TEST(WeightFileOpenTest, OpensAFileThatThenMayGoAway) {
  const std::string path = ::testing::TempDir() + "weight_file_test_open.fmw";
  ASSERT_TRUE(WriteSampleFile(Quantization::kF32, path).ok());
  const auto file = WeightFile::Open(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->info().model_name, "ctr");
  EXPECT_TRUE(ScoreCells(**file, (*file)->goldens()[0].cells).ok());
}

TEST(WeightFileOpenTest, NamesTheFileThatIsNotThere) {
  const absl::Status status = WeightFile::Open(::testing::TempDir() + "missing.fmw").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("missing.fmw"));
}

TEST(WeightFileOpenTest, NamesTheFileThatIsNoWeightFile) {
  const std::string path = ::testing::TempDir() + "weight_file_test_text";
  std::ofstream(path) << std::string(300, 'x');
  const absl::Status status = WeightFile::Open(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path + ": not a weight file"));
}

TEST(WeightFileOpenTest, RefusesBytesThatAreNotAligned) {
  const AlignedBytes bytes = SampleBytes(Quantization::kF32);
  const absl::Status status = WeightFile::FromBytes(bytes.span().subspan(8)).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("64-byte aligned"));
}

// Opens `path` with a checkpoint that fails when it is called for the time number `last`. Returns
// how often it was called.
int OpenUntil(const std::string& path, int last, absl::Status& status) {
  int count = 0;
  status = WeightFile::Open(path, [&] {
             return ++count == last ? absl::CancelledError("enough") : absl::OkStatus();
           }).status();
  return count;
}

TEST(WeightFileOpenTest, EndsAtAnyCheckpointThatSaysSo) {
  const std::string path = ::testing::TempDir() + "/checkpoints.fmw";
  ASSERT_TRUE(WriteSampleFile(Quantization::kF16, path).ok());
  absl::Status status;
  const int all = OpenUntil(path, 0, status);
  EXPECT_TRUE(status.ok()) << status;
  // Each of the six sections when its checksum is computed, the rows and the names once more.
  EXPECT_GE(all, 8);
  for (int last = 1; last <= all; ++last) {
    EXPECT_EQ(OpenUntil(path, last, status), last);
    EXPECT_EQ(status, absl::CancelledError(path + ": enough"));
  }
  std::filesystem::remove(path);
}

TEST(ChecksumTest, IsTheSameWithCheckpointsInBetween) {
  const std::vector<std::byte> bytes(2 * kCheckpointBytes + 1, std::byte{7});
  int count = 0;
  const absl::StatusOr<Checksum> checksum = ChecksumOf(bytes, [&count] {
    ++count;
    return absl::OkStatus();
  });
  ASSERT_TRUE(checksum.ok());
  EXPECT_EQ(*checksum, ChecksumOf(bytes));
  EXPECT_EQ(count, 3);
}

TEST(PredictTest, CalibratesThenLinks) {
  WeightInfo info;
  info.link = Link::kSigmoid;
  EXPECT_DOUBLE_EQ(Predict(info, 0.0), 0.5);
  EXPECT_DOUBLE_EQ(Predict(info, std::log(3.0)), 0.75);
  info.calibration = {.kind = CalibrationKind::kPlatt, .scale = 2.0, .offset = 1.0};
  EXPECT_DOUBLE_EQ(Predict(info, -0.5), 0.5);
  EXPECT_DOUBLE_EQ(Predict(info, (std::log(3.0) - 1.0) / 2.0), 0.75);
  info.link = Link::kIdentity;
  EXPECT_DOUBLE_EQ(Predict(info, 3.0), 7.0);
}

TEST(PredictTest, StaysAccurateFarFromZero) {
  WeightInfo info;
  EXPECT_DOUBLE_EQ(Predict(info, -40.0) / std::exp(-40.0), 1.0);
  EXPECT_EQ(Predict(info, 800.0), 1.0);
  EXPECT_EQ(Predict(info, -800.0), 0.0);
  EXPECT_EQ(Predict(info, std::numeric_limits<double>::infinity()), 1.0);
  EXPECT_EQ(Predict(info, -std::numeric_limits<double>::infinity()), 0.0);
}

}  // namespace
}  // namespace fmserve::model
