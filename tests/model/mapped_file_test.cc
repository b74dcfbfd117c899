#include "model/mapped_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string>

#include "model/atomic_file.h"
#include "model/huge_pages.h"

namespace fmserve::model {
namespace {

using ::testing::HasSubstr;
using ::testing::TempDir;

std::string WriteFile(const std::string& name, const std::string& content) {
  const std::string path = TempDir() + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

std::string Text(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

// What this process has of files in its page tables.
size_t MappedFromFilesBytes() {
  std::ifstream sizes("/proc/self/statm");
  size_t all_pages = 0;
  size_t resident_pages = 0;
  size_t file_pages = 0;
  sizes >> all_pages >> resident_pages >> file_pages;
  return file_pages * static_cast<size_t>(getpagesize());
}

TEST(MappedFileTest, ShowsTheBytesOfTheFile) {
  const std::string path =
      WriteFile("mapped_file_test_whole", std::string("weights\0of a model", 18));
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(Text(*file), std::string("weights\0of a model", 18));
}

TEST(MappedFileTest, KeepsTheBytesWhenTheFileIsDeletedOrReplaced) {
  const std::string path = WriteFile("mapped_file_test_replaced", "old");
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  std::filesystem::rename(WriteFile("mapped_file_test_new", "new"), path);
  EXPECT_EQ(Text(*file), "old");
}

TEST(MappedFileTest, MovesWithoutUnmapping) {
  absl::StatusOr<MappedFile> file = MappedFile::Open(WriteFile("mapped_file_test_moved", "bytes"));
  ASSERT_TRUE(file.ok()) << file.status();
  const std::byte* const data = file->bytes().data();
  MappedFile moved = *std::move(file);
  EXPECT_EQ(moved.bytes().data(), data);
  EXPECT_EQ(Text(moved), "bytes");
}

TEST(MappedFileTest, CountsTheHugePagesThatTheKernelGaveIt) {
  constexpr size_t kHugePageBytes = size_t{2} << 20;
  const std::string content(4 * kHugePageBytes, 'w');
  const std::string path = TempDir() + "mapped_file_test_huge";
  absl::StatusOr<AtomicFile> written = AtomicFile::Create(path, AtomicFile::Writing::kDirect);
  ASSERT_TRUE(written.ok()) << written.status();
  ASSERT_TRUE(written->Append(std::as_bytes(std::span(content))).ok());
  ASSERT_TRUE(written->Commit().ok());
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->HugePageBytes(), 0U);  // nothing is mapped before somebody reads
  EXPECT_EQ(Text(*file), content);
  // Whether it gives any is for the file system to say.
  EXPECT_EQ(file->HugePageBytes() % kHugePageBytes, 0U);
  EXPECT_LE(file->HugePageBytes(), content.size());
  const std::optional<uint64_t> scanned_bytes = HugePageBytesByScan(file->bytes());
  if (!scanned_bytes) GTEST_SKIP() << "this kernel has no PAGEMAP_SCAN";
  EXPECT_EQ(*scanned_bytes, HugePageBytesBySmaps(file->bytes()));
}

TEST(MappedFileTest, ReleasesItsPagesInStepsAndStaysReadable) {
  constexpr size_t kSteps = 8;
  const std::string content(kSteps * kLargestPageBytes, 'w');
  const absl::StatusOr<MappedFile> file =
      MappedFile::Open(WriteFile("mapped_file_test_released", content));
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(Text(*file), content);
  const size_t before_bytes = MappedFromFilesBytes();
  size_t steps_count = 0;
  const auto count_steps = [&steps_count] {
    ++steps_count;
    return absl::OkStatus();
  };
  ASSERT_TRUE(file->ReleasePages(count_steps).ok());
  EXPECT_GE(steps_count, kSteps);
  EXPECT_LT(MappedFromFilesBytes(), before_bytes - content.size() / 2);
  EXPECT_EQ(Text(*file), content);
}

TEST(MappedFileTest, StopsReleasingWhenItIsToldTo) {
  const absl::StatusOr<MappedFile> file =
      MappedFile::Open(WriteFile("mapped_file_test_kept", "bytes"));
  ASSERT_TRUE(file.ok()) << file.status();
  const auto stop = [] { return absl::CancelledError("stopped"); };
  EXPECT_EQ(file->ReleasePages(stop).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Text(*file), "bytes");
}

TEST(MappedFileTest, NamesTheFileThatIsNotThere) {
  const absl::Status status = MappedFile::Open(TempDir() + "no_such_file").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no_such_file"));
}

TEST(MappedFileTest, RefusesWhatIsNoRegularFile) {
  const std::string pipe = TempDir() + "mapped_file_test_pipe";
  std::filesystem::remove(pipe);
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path : {pipe, TempDir()}) {
    const absl::Status status = MappedFile::Open(path).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("is not a regular file"));
  }
}

TEST(MappedFileTest, RefusesAnEmptyFile) {
  const absl::Status status = MappedFile::Open(WriteFile("mapped_file_test_empty", "")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is empty"));
}

}  // namespace
}  // namespace fmserve::model
