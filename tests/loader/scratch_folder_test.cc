#include "loader/scratch_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ScratchFolderTest : public ::testing::Test {
 protected:
  absl::StatusOr<ScratchFolder> Create() const { return ScratchFolder::Create(parent_.path()); }
  std::string MakeFolder(const std::string& name) const {
    const std::string path = parent_.Path(name);
    std::filesystem::create_directory(path);
    WriteFile(path + "/.in-use", "");
    WriteFile(path + "/large", "content");
    return path;
  }

  TestFolder parent_;
};

TEST_F(ScratchFolderTest, GoesWithTheObject) {
  {
    const absl::StatusOr<ScratchFolder> folder = Create();
    ASSERT_TRUE(folder.ok()) << folder.status();
    struct stat stat_result = {};
    ASSERT_EQ(stat(folder->path().c_str(), &stat_result), 0);
    EXPECT_EQ(stat_result.st_mode & 0777, 0700U) << "what is published is nobody else's business";
    std::filesystem::create_directory(folder->path() + "/below");
    WriteFile(folder->path() + "/below/file", "content");
  }
  EXPECT_THAT(ListFolder(parent_.path()), IsEmpty());
}

TEST_F(ScratchFolderTest, RemovesWhatAKilledProgramLeft) {
  MakeFolder("fmserve-scratch-abcdef");
  const absl::StatusOr<ScratchFolder> folder = Create();
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_THAT(ListFolder(parent_.path()),
              ElementsAre(std::filesystem::path(folder->path()).filename()));
}

TEST_F(ScratchFolderTest, LeavesOthersAlone) {
  const absl::StatusOr<ScratchFolder> at_work = Create();
  ASSERT_TRUE(at_work.ok()) << at_work.status();
  MakeFolder("somebody-elses");
  std::filesystem::create_directory_symlink(parent_.Path("somebody-elses"),
                                            parent_.Path("fmserve-scratch-link"));
  std::filesystem::create_directory(parent_.Path("fmserve-scratch-begun"));
  const absl::StatusOr<ScratchFolder> folder = Create();
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_TRUE(std::filesystem::exists(at_work->path()));
  EXPECT_TRUE(std::filesystem::exists(parent_.Path("somebody-elses/large")));
  EXPECT_TRUE(std::filesystem::exists(parent_.Path("fmserve-scratch-begun")));
}

TEST_F(ScratchFolderTest, SaysWhereItCannotBe) {
  const absl::Status status = ScratchFolder::Create(parent_.Path("missing")).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr(parent_.Path("missing")));
}

}  // namespace
}  // namespace fmserve::loader
