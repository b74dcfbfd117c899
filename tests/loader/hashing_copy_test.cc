#include "loader/hashing_copy.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

class HashingCopyTest : public ::testing::Test {
 protected:
  HashingCopyTest() {
    absl::StatusOr<model::AtomicFile> file = model::AtomicFile::Create(folder_.Path("file"));
    EXPECT_TRUE(file.ok()) << file.status();
    file_.emplace(*std::move(file));
  }
  static absl::Status Append(HashingCopy& copy, const std::string& bytes) {
    return copy.Append(std::as_bytes(std::span(bytes)), model::NeverStop);
  }

  TestFolder folder_;
  std::optional<model::AtomicFile> file_;
};

TEST_F(HashingCopyTest, HashesWhatItAppends) {
  HashingCopy copy(*file_, 7, 0);
  EXPECT_TRUE(Append(copy, "abc").ok());
  EXPECT_TRUE(Append(copy, "defg").ok());
  EXPECT_EQ(copy.size_bytes(), 7U);
  EXPECT_EQ(copy.HexDigest(), Sha256Hex("abcdefg"));
  ASSERT_TRUE(file_->Commit().ok());
  EXPECT_EQ(ReadFile(folder_.Path("file")), "abcdefg");
}

TEST_F(HashingCopyTest, HashesWhatIsThereFirst) {
  ASSERT_TRUE(file_->Append(std::as_bytes(std::span("abc", 3))).ok());
  ASSERT_TRUE(file_->Flush().ok());
  HashingCopy copy(*file_, 6, 0);
  EXPECT_TRUE(copy.HashWhatIsThere(model::NeverStop).ok());
  EXPECT_TRUE(Append(copy, "def").ok());
  EXPECT_EQ(copy.HexDigest(), Sha256Hex("abcdef"));
}

TEST_F(HashingCopyTest, TakesNoMoreThanItMay) {
  HashingCopy copy(*file_, 4, 0);
  EXPECT_TRUE(Append(copy, "abc").ok());
  EXPECT_FALSE(copy.too_long());
  EXPECT_TRUE(absl::IsOutOfRange(Append(copy, "de")));
  EXPECT_TRUE(copy.too_long());
  EXPECT_EQ(copy.size_bytes(), 3U);
}

TEST_F(HashingCopyTest, TakesThemNoFasterThanItMay) {
  const Clock::time_point begin = Clock::now();
  HashingCopy copy(*file_, 1000, 1000);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Append(copy, std::string(50, 'x')).ok());
  EXPECT_GE(Clock::now() - begin, milliseconds(145));
}

TEST_F(HashingCopyTest, StopsWhileItWaits) {
  HashingCopy copy(*file_, 1000, 1);
  int calls = 0;
  const absl::Status status = copy.Append(std::as_bytes(std::span("0123456789", 10)), [&] {
    return ++calls < 3 ? absl::OkStatus() : absl::CancelledError("stopped");
  });
  EXPECT_TRUE(absl::IsCancelled(status));
}

}  // namespace
}  // namespace fmserve::loader
