#include "model/weight_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <limits>

#include "model/weight_file.h"
#include "tests/model/sample_file.h"

namespace fmserve::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// An empty directory of its own for each test.
class WeightWriterTest : public ::testing::Test {
 protected:
  WeightWriterTest()
      : directory_(std::filesystem::path(::testing::TempDir()) /
                   ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  ~WeightWriterTest() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ / name; }

  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_))
      names.push_back(entry.path().filename());
    return names;
  }

 private:
  std::filesystem::path directory_;
};

constexpr float kValues[3] = {0.5F, -1.0F, 0.25F};
constexpr WriterRow kRow = {.key = 42, .field = 0, .value = "ann", .w = 0.5F, .v = kValues};

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST_F(WeightWriterTest, LeavesTheFileAndNothingElse) {
  ASSERT_TRUE(WriteSampleFile(Quantization::kF32, Path("a.fmw")).ok());
  EXPECT_THAT(Files(), ElementsAre("a.fmw"));
}

TEST_F(WeightWriterTest, TheMatrixOfAFieldWeightedModelIsThatOfItsOptions) {
  const WeightFileOptions options = SampleOptions(Quantization::kF32, SampleKind::kFieldWeighted);
  ASSERT_TRUE(WeightWriter(options).Finish(Path("a.fmw")).ok());
  const auto file = WeightFile::Open(Path("a.fmw"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->field_matrix(), options.field_matrix);
  EXPECT_EQ((*file)->folded_k(), 6U);
}

TEST_F(WeightWriterTest, RefusesAMatrixThatNoReaderWouldTake) {
  const auto message = [&](auto change) {
    WeightFileOptions options = SampleOptions(Quantization::kF32, SampleKind::kFieldWeighted);
    change(*options.field_matrix);
    const std::string said = Message(WeightWriter(options).Finish(Path("a.fmw")));
    EXPECT_THAT(Files(), IsEmpty());
    return said;
  };
  EXPECT_THAT(message([](FieldMatrix& matrix) { matrix = {}; }),
              HasSubstr("field matrix: the rank is 0"));
  EXPECT_THAT(message([](FieldMatrix& matrix) { matrix.factors.pop_back(); }),
              HasSubstr("field matrix: 2 scales and 7 factors"));
  EXPECT_THAT(message([](FieldMatrix& matrix) {
                matrix.scales[1] = std::numeric_limits<float>::infinity();
              }),
              HasSubstr("field matrix: scale 1 is not finite"));
}

TEST_F(WeightWriterTest, TheSameModelGivesTheSameBytes) {
  ASSERT_TRUE(WriteSampleFile(Quantization::kInt8, Path("a.fmw")).ok());
  ASSERT_TRUE(WriteSampleFile(Quantization::kInt8, Path("b.fmw")).ok());
  const AlignedBytes a = ReadFileBytes(Path("a.fmw"));
  const AlignedBytes b = ReadFileBytes(Path("b.fmw"));
  EXPECT_TRUE(std::ranges::equal(a.span(), b.span()));
}

TEST_F(WeightWriterTest, AModelWithoutRowsOrNamesIsAModel) {
  WeightFileOptions options = SampleOptions(Quantization::kF16);
  options.with_names = false;
  ASSERT_TRUE(WeightWriter(options).Finish(Path("a.fmw")).ok());
  const auto file = WeightFile::Open(Path("a.fmw"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->info().rows_count, 0U);
  EXPECT_EQ((*file)->name(0), std::nullopt);
}

TEST_F(WeightWriterTest, ManyRowsAreAllFoundWithTheirWeightsAndNames) {
  WeightFileOptions options = SampleOptions(Quantization::kF32);
  WeightWriter writer(options);
  constexpr uint64_t kRows = 40000;  // more than a block of rows and a buffer of output
  for (uint64_t i = 1; i <= kRows; ++i) {
    const float v[3] = {static_cast<float>(i), 1.0F, -2.0F};
    const std::string name = std::to_string(i);
    ASSERT_TRUE(
        writer.AddRow({.key = i, .field = 1, .value = name, .w = -static_cast<float>(i), .v = v})
            .ok());
  }
  ASSERT_TRUE(writer.Finish(Path("a.fmw")).ok());
  const auto file = WeightFile::Open(Path("a.fmw"));
  ASSERT_TRUE(file.ok()) << file.status();
  for (uint64_t i = 1; i <= kRows; ++i) {
    const uint32_t slot = (*file)->dictionary().Find(i);
    ASSERT_NE(slot, kNoSlot);
    const std::byte* const row = (*file)->rows().row(slot);
    const auto* const prefix = reinterpret_cast<const format::RowPrefix*>(row);
    EXPECT_EQ(prefix->w, -static_cast<float>(i));
    EXPECT_EQ(*reinterpret_cast<const float*>(row + sizeof(*prefix)), static_cast<float>(i));
    EXPECT_EQ((*file)->name(slot)->value, std::to_string(i));
    EXPECT_EQ((*file)->name(slot)->field, 1);
  }
}

TEST_F(WeightWriterTest, RefusesRowsThatNoReaderWouldTake) {
  WeightWriter writer(SampleOptions(Quantization::kF16));
  const auto message = [&](auto change) {
    WriterRow row = kRow;
    change(row);
    return Message(writer.AddRow(row));
  };
  const float infinite[3] = {0.0F, std::numeric_limits<float>::infinity(), 0.0F};
  const float large[3] = {0.0F, 0.0F, 70000.0F};
  EXPECT_THAT(message([](WriterRow& row) { row.v = row.v.first(2); }),
              HasSubstr("row 0: 2 values, the model has k = 3"));
  EXPECT_THAT(message([](WriterRow& row) { row.field = 4; }),
              HasSubstr("row 0: field 4 of a schema of 4 fields"));
  EXPECT_THAT(message([](WriterRow& row) { row.key = 0; }),
              HasSubstr("row 0 (field 'user', value 'ann'): key 0"));
  EXPECT_THAT(message([](WriterRow& row) { row.w = std::numeric_limits<float>::quiet_NaN(); }),
              HasSubstr("w is nan"));
  EXPECT_THAT(message([&](WriterRow& row) { row.v = infinite; }), HasSubstr("v[1] is inf"));
  EXPECT_THAT(message([&](WriterRow& row) { row.v = large; }),
              HasSubstr("beyond the range of f16"));
  ASSERT_TRUE(writer.AddRow(kRow).ok());
  EXPECT_TRUE(writer.Finish(Path("a.fmw")).ok()) << "refused rows must leave no trace";
}

TEST_F(WeightWriterTest, RefusesAKeyThatStandsTwice) {
  WeightWriter writer(SampleOptions(Quantization::kF32));
  ASSERT_TRUE(writer.AddRow(kRow).ok());
  ASSERT_TRUE(writer.AddRow(kRow).ok());
  const absl::Status status = writer.Finish(Path("a.fmw"));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), HasSubstr("keys 0 and 1 are both"));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(WeightWriterTest, RefusesOptionsThatNoReaderWouldTake) {
  const auto message = [&](auto change) {
    WeightFileOptions options = SampleOptions(Quantization::kF32);
    change(options);
    const absl::Status status = WeightWriter(options).Finish(Path("a.fmw"));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return Message(status);
  };
  EXPECT_THAT(message([](auto& options) { options.model_name = ""; }),
              HasSubstr("the model name is empty"));
  EXPECT_THAT(message([](auto& options) { options.model_name = std::string(64, 'm'); }),
              HasSubstr("has 64 bytes"));
  EXPECT_THAT(message([](auto& options) { options.model_name = "../ctr"; }),
              HasSubstr("characters other than"));
  EXPECT_THAT(message([](auto& options) { options.model_name = ".hidden"; }),
              HasSubstr("begins with a dot"));
  EXPECT_THAT(message([](auto& options) { options.k = 0; }), HasSubstr("k is 0, not 1 to 256"));
  EXPECT_THAT(message([](auto& options) { options.k = 257; }), HasSubstr("k is 257, not 1 to 256"));
  EXPECT_THAT(message([](auto& options) { options.w0 = 1.0 / 0.0; }),
              HasSubstr("w0 is not finite"));
  EXPECT_THAT(message([](auto& options) { options.calibration.scale = 0.0; }),
              HasSubstr("finite and positive"));
  EXPECT_THAT(message([](auto& options) { options.calibration.kind = CalibrationKind::kNone; }),
              HasSubstr("calibration 'none' needs scale 1 and offset 0"));
  EXPECT_THAT(message([](auto& options) { options.link = Link::kIdentity; }),
              HasSubstr("needs the sigmoid link"));
  EXPECT_THAT(message([](auto& options) { options.schema = FeatureSchema(); }),
              HasSubstr("schema: "));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(WeightWriterTest, RefusesGoldensAndMetadataThatNoReaderWouldTake) {
  WeightWriter goldens(SampleOptions(Quantization::kF32));
  goldens.AddGolden({.cells = {"ann"}, .score = 1.0});
  EXPECT_THAT(Message(goldens.Finish(Path("a.fmw"))), HasSubstr("goldens: golden 0 has 1 cells"));
  WeightWriter metadata(SampleOptions(Quantization::kF32));
  metadata.SetMetadata({{"", "value"}});
  EXPECT_THAT(Message(metadata.Finish(Path("a.fmw"))),
              HasSubstr("metadata: a metadata entry has no name"));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(WeightWriterTest, NamesTheDirectoryThatIsNotThere) {
  const absl::Status status = WriteSampleFile(Quantization::kF32, Path("missing/a.fmw"));
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(status), HasSubstr("missing/a.fmw"));
}

TEST_F(WeightWriterTest, ARenameThatFailsLeavesNothingBehind) {
  std::filesystem::create_directories(Path("a.fmw"));
  EXPECT_FALSE(WriteSampleFile(Quantization::kF32, Path("a.fmw")).ok());
  EXPECT_THAT(Files(), ElementsAre("a.fmw"));
  EXPECT_TRUE(std::filesystem::is_directory(Path("a.fmw")));
}

TEST_F(WeightWriterTest, AFullDiskLeavesTheOldFileAsItWas) {
  ASSERT_TRUE(WriteSampleFile(Quantization::kF32, Path("a.fmw")).ok());
  const AlignedBytes before = ReadFileBytes(Path("a.fmw"));
  rlimit unlimited;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {.rlim_cur = 700, .rlim_max = unlimited.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = WriteSampleFile(Quantization::kF16, Path("a.fmw"));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(Message(status), HasSubstr("cannot write"));
  EXPECT_THAT(Files(), ElementsAre("a.fmw"));
  const AlignedBytes after = ReadFileBytes(Path("a.fmw"));
  EXPECT_TRUE(std::ranges::equal(before.span(), after.span()));
}

TEST_F(WeightWriterTest, CountsLieInTheOrderOfTheRowsAndSaturate) {
  WeightFileOptions options = SampleOptions(Quantization::kF32);
  options.training_rows = uint64_t{1} << 40;
  WeightWriter writer(options);
  for (const uint64_t key : {uint64_t{1}, uint64_t{2}, uint64_t{3}}) {
    WriterRow row = kRow;
    row.key = key;
    row.count = key == 3 ? uint64_t{1} << 33 : key * 10;
    ASSERT_TRUE(writer.AddRow(row).ok());
  }
  ASSERT_TRUE(writer.Finish(Path("a.fmw")).ok());
  const auto file = *WeightFile::Open(Path("a.fmw"));
  ASSERT_TRUE(file->counts());
  EXPECT_EQ(file->counts()->rows, uint64_t{1} << 40);
  ASSERT_EQ(file->counts()->of_slots.size(), file->info().slots_count);
  const auto count_of = [&](uint64_t key) {
    return file->counts()->of_slots[file->dictionary().Find(key)];
  };
  EXPECT_EQ(count_of(1), 10U);
  EXPECT_EQ(count_of(2), 20U);
  EXPECT_EQ(count_of(3), 0xffffffffU);
  ASSERT_TRUE(WriteSampleFile(Quantization::kF32, Path("b.fmw")).ok());
  EXPECT_FALSE((*WeightFile::Open(Path("b.fmw")))->counts()) << "a file may leave them out";
}

TEST_F(WeightWriterTest, AFileBeyondItsLimitIsNotBegun) {
  WeightFileOptions options = SampleOptions(Quantization::kF32);
  options.training_rows = 5;
  const auto write = [&](uint64_t max_file_bytes, const std::string& name) {
    options.max_file_bytes = max_file_bytes;
    WeightWriter writer(options);
    EXPECT_TRUE(writer.AddRow(kRow).ok());
    return writer.Finish(Path(name));
  };
  ASSERT_TRUE(write(1 << 20, "a.fmw").ok());
  const uint64_t bytes = std::filesystem::file_size(Path("a.fmw"));
  EXPECT_TRUE(write(bytes, "a.fmw").ok());
  const absl::Status status = write(bytes - 1, "b.fmw");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Message(status), HasSubstr("the file of 1 rows would have " + std::to_string(bytes)));
  EXPECT_THAT(Files(), ElementsAre("a.fmw"));
}

TEST(StampHeaderTest, ChangesNameAndVersionAndNothingElse) {
  AlignedBytes bytes = SampleBytes(Quantization::kF32);
  const AlignedBytes before = bytes;
  ASSERT_TRUE(StampHeader(bytes.span(), "cvr.eu-1", 12).ok());
  const auto file = WeightFile::FromBytes(bytes.span());
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->info().model_name, "cvr.eu-1");
  EXPECT_EQ((*file)->info().version, 12U);
  ASSERT_TRUE(StampHeader(bytes.span(), "ctr", 7).ok());
  EXPECT_TRUE(std::ranges::equal(bytes.span(), before.span()));
}

TEST(StampHeaderTest, NeedsHeaderAndTableOnly) {
  AlignedBytes bytes = SampleBytes(Quantization::kF32);
  const size_t table_end = sizeof(format::FileHeader) + 6 * sizeof(format::SectionEntry);
  EXPECT_TRUE(StampHeader(bytes.span().first(table_end), "ctr", 8).ok());
  EXPECT_TRUE(WeightFile::FromBytes(bytes.span()).ok());
  for (const size_t size : {size_t{0}, sizeof(format::FileHeader), table_end - 1}) {
    EXPECT_EQ(StampHeader(bytes.span().first(size), "ctr", 9).code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(StampHeaderTest, DoesNotBlessADamagedHeaderOrABadName) {
  AlignedBytes bytes = SampleBytes(Quantization::kF32);
  const AlignedBytes before = bytes;
  EXPECT_THAT(Message(StampHeader(bytes.span(), "a/b", 8)), HasSubstr("the model name"));
  EXPECT_TRUE(std::ranges::equal(bytes.span(), before.span()));
  bytes.span()[offsetof(format::FileHeader, w0)] ^= std::byte{1};
  EXPECT_THAT(Message(StampHeader(bytes.span(), "ctr", 8)), HasSubstr("checksum"));
}

}  // namespace
}  // namespace fmserve::model
