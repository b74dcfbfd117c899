#include "model/atomic_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

namespace fmserve::model {
namespace {

using Writing = AtomicFile::Writing;

class AtomicFileTest : public testing::TestWithParam<Writing> {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Path() const { return folder_ + "/file"; }
  std::string Content() const {
    std::ifstream file(Path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  size_t FilesCount() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

  const std::string folder_ = testing::TempDir() + "atomic_file_test_" + std::to_string(getpid());
};

std::span<const std::byte> Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string Pattern(size_t size) {
  std::string text(size, '\0');
  std::iota(text.begin(), text.end(), '\0');
  return text;
}

TEST_P(AtomicFileTest, GoesOnBehindWhatWasLeft) {
  const std::string content = Pattern(3'333'333);
  const std::string temporary_path = folder_ + "/part";
  for (const size_t end : {0UL, 1'000'000UL, 2'500'000UL}) {
    absl::StatusOr<AtomicFile> file = AtomicFile::Resume(Path(), temporary_path, GetParam());
    ASSERT_TRUE(file.ok()) << file.status();
    const size_t begin = file->size_bytes();
    ASSERT_LE(begin, end);
    ASSERT_TRUE(file->Append(Bytes(content.substr(begin, end - begin))).ok());
    ASSERT_TRUE(file->Flush().ok());
    file->Leave();
  }
  EXPECT_FALSE(std::filesystem::exists(Path()));
  absl::StatusOr<AtomicFile> file = AtomicFile::Resume(Path(), temporary_path, GetParam());
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->size_bytes(), 2UL << 20) << "whole pieces";
  ASSERT_TRUE(file->Append(Bytes(content.substr(file->size_bytes()))).ok());
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_TRUE(Content() == content);
  EXPECT_EQ(FilesCount(), 1U);
}

TEST_P(AtomicFileTest, AResumedFileThatIsNotLeftDisappears) {
  {
    absl::StatusOr<AtomicFile> file = AtomicFile::Resume(Path(), folder_ + "/part", GetParam());
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE(file->Append(Bytes("content")).ok());
  }
  EXPECT_EQ(FilesCount(), 0U);
}

TEST_P(AtomicFileTest, HoldsWhatWasAppendedWhateverTheSizesOfThePieces) {
  for (const size_t size : {0UL, 1UL, 4095UL, 4096UL, 1UL << 20, (1UL << 20) + 1, 3'333'333UL}) {
    for (const size_t piece : {1000UL, 131072UL, 5'000'000UL}) {
      const std::string content = Pattern(size);
      absl::StatusOr<AtomicFile> file = AtomicFile::Create(Path(), GetParam());
      ASSERT_TRUE(file.ok()) << file.status();
      for (size_t begin = 0; begin < size; begin += piece) {
        ASSERT_TRUE(file->Append(Bytes(content.substr(begin, piece))).ok());
      }
      EXPECT_EQ(file->size_bytes(), size);
      ASSERT_TRUE(file->Commit().ok());
      ASSERT_TRUE(Content() == content) << size << " bytes in pieces of " << piece;
    }
  }
}

TEST_P(AtomicFileTest, ReplacesWhatWasAppended) {
  const std::string content = Pattern(2'500'000);
  absl::StatusOr<AtomicFile> file = AtomicFile::Create(Path(), GetParam());
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(file->Append(Bytes(content)).ok());
  ASSERT_TRUE(file->Overwrite(3, Bytes("header")).ok());
  ASSERT_TRUE(file->Append(Bytes("tail")).ok());
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_TRUE(Content() == std::string(content).replace(3, 6, "header") + "tail");
}

TEST_P(AtomicFileTest, ShowsEverythingUnderItsTemporaryNameAfterAFlush) {
  absl::StatusOr<AtomicFile> file = AtomicFile::Create(Path(), GetParam());
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(file->Append(Bytes(Pattern(5000))).ok());
  ASSERT_TRUE(file->Flush().ok());
  EXPECT_EQ(std::filesystem::file_size(file->temporary_path()), 5000U);
  EXPECT_FALSE(std::filesystem::exists(Path()));
}

TEST_P(AtomicFileTest, LeavesNothingBehindWithoutACommit) {
  {
    absl::StatusOr<AtomicFile> file = AtomicFile::Create(Path(), GetParam());
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE(file->Append(Bytes(Pattern(5000))).ok());
  }
  EXPECT_EQ(FilesCount(), 0U);
}

TEST_P(AtomicFileTest, RefusesToReplaceAFileWhenToldSo) {
  std::ofstream(Path()) << "old";
  absl::StatusOr<AtomicFile> file = AtomicFile::Create(Path(), GetParam());
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(file->Append(Bytes("new")).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(file->Commit(AtomicFile::IfExists::kRefuse)));
  EXPECT_EQ(Content(), "old");
}

INSTANTIATE_TEST_SUITE_P(Writings, AtomicFileTest,
                         testing::Values(Writing::kCached, Writing::kDirect),
                         [](const testing::TestParamInfo<Writing>& writing) {
                           return writing.param == Writing::kDirect ? "Direct" : "Cached";
                         });

}  // namespace
}  // namespace fmserve::model
