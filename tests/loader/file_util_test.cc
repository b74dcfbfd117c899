#include "loader/file_util.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

off_t SizeBytes(const FileDescriptor& file) {
  struct stat stat = {};
  EXPECT_EQ(fstat(file.get(), &stat), 0);
  return stat.st_size;
}

TEST(ReadSmallFile, ReadsWhatWriteSmallFileWrote) {
  const TestFolder folder;
  ASSERT_TRUE(WriteSmallFile(folder.Path("a"), "first").ok());
  ASSERT_TRUE(WriteSmallFile(folder.Path("a"), "second").ok());
  EXPECT_EQ(*ReadSmallFile(folder.Path("a"), 6), "second");
  EXPECT_THAT(ListFolder(folder.path()), ElementsAre("a"));
}

TEST(ReadSmallFile, RefusesWhatIsTooLong) {
  const TestFolder folder;
  WriteFile(folder.Path("a"), "1234567");
  const absl::Status status = ReadSmallFile(folder.Path("a"), 6).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr(folder.Path("a")));
}

TEST(OpenRegularFile, NeverWaitsForANamedPipe) {
  const TestFolder folder;
  ASSERT_EQ(mkfifo(folder.Path("pipe").c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(OpenRegularFile(folder.Path("pipe")).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(OpenRegularFile(folder.path()).status()));
  EXPECT_TRUE(absl::IsNotFound(OpenRegularFile(folder.Path("nothing")).status()));
}

TEST(WriteSmallFile, SaysWhereItCannot) {
  const absl::Status status = WriteSmallFile("/nonexistent/folder/file", "x");
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nonexistent/folder/file"));
}

TEST(CheckRoom, SaysWhatNeedsHowMuch) {
  const TestFolder folder;
  EXPECT_TRUE(CheckRoom(folder.path(), "nothing", {}).ok());
  EXPECT_TRUE(CheckRoom(folder.path(), "a small file", {1000}).ok());
  const absl::Status none = CheckRoom(folder.path(), "version 7", {uint64_t{1} << 60, 24});
  EXPECT_TRUE(absl::IsResourceExhausted(none));
  EXPECT_THAT(std::string(none.message()),
              HasSubstr(folder.path() + ": version 7 needs 1152921504606847000 bytes"));
}

TEST(CheckRoom, AddsUpWithoutWrappingRound) {
  const TestFolder folder;
  EXPECT_TRUE(absl::IsResourceExhausted(
      CheckRoom(folder.path(), "a lie", {~uint64_t{0}, ~uint64_t{0}, 2})));
}

TEST(DetachFile, TakesTheNameAndKeepsTheContent) {
  const TestFolder folder;
  WriteFile(folder.Path("a"), "1234");
  const absl::StatusOr<FileDescriptor> file = DetachFile(folder.Path("a"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(ListFolder(folder.path()).empty());
  EXPECT_EQ(SizeBytes(*file), 4);
  EXPECT_TRUE(absl::IsNotFound(DetachFile(folder.Path("a")).status()));
}

TEST(FreeInSteps, ShortensTheFileUntilNothingIsLeft) {
  const TestFolder folder;
  WriteFile(folder.Path("a"), std::string(5'000'000, 'x'));
  const absl::StatusOr<FileDescriptor> file = DetachFile(folder.Path("a"));
  ASSERT_TRUE(file.ok()) << file.status();
  std::vector<off_t> sizes_bytes;
  const auto note_size = [&] {
    sizes_bytes.push_back(SizeBytes(*file));
    return absl::OkStatus();
  };
  EXPECT_TRUE(FreeInSteps(*file, note_size).ok());
  EXPECT_THAT(sizes_bytes, ElementsAre(off_t{4} << 20, off_t{2} << 20, 0));
}

TEST(FreeInSteps, StopsWhenItIsToldTo) {
  const TestFolder folder;
  WriteFile(folder.Path("a"), std::string(5'000'000, 'x'));
  const absl::StatusOr<FileDescriptor> file = DetachFile(folder.Path("a"));
  ASSERT_TRUE(file.ok()) << file.status();
  const auto stop = [] { return absl::CancelledError("stopped"); };
  EXPECT_TRUE(absl::IsCancelled(FreeInSteps(*file, stop)));
  EXPECT_EQ(SizeBytes(*file), off_t{4} << 20);
}

TEST(FreeInSteps, LeavesAFileAloneThatHasAnotherName) {
  const TestFolder folder;
  WriteFile(folder.Path("a"), "1234");
  std::filesystem::create_hard_link(folder.Path("a"), folder.Path("backup"));
  const absl::StatusOr<FileDescriptor> file = DetachFile(folder.Path("a"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(absl::IsFailedPrecondition(FreeInSteps(*file, model::NeverStop)));
  EXPECT_EQ(SizeBytes(*file), 4);
}

TEST(RemoveTemporaryFiles, RemovesWhatKilledWritersLeftAndNothingElse) {
  const TestFolder folder;
  for (const char* name : {"a.fmw", "a.fmw.tmp-123-0", "CURRENT", "CURRENT.tmp-9-4", ".lock"}) {
    WriteFile(folder.Path(name), "x");
  }
  ASSERT_TRUE(RemoveTemporaryFiles(folder.path()).ok());
  EXPECT_THAT(ListFolder(folder.path()), ElementsAre(".lock", "CURRENT", "a.fmw"));
}

TEST(FolderLock, IsHeldByOneAtATime) {
  const TestFolder folder;
  {
    const absl::StatusOr<FolderLock> first = FolderLock::TryAcquire(folder.Path(".lock"));
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_TRUE(absl::IsUnavailable(FolderLock::TryAcquire(folder.Path(".lock")).status()));
  }
  EXPECT_TRUE(FolderLock::TryAcquire(folder.Path(".lock")).ok());
}

}  // namespace
}  // namespace fmserve::loader
