#include "loader/file_util.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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
