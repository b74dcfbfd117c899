#include "loader/directory_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DirectorySourceTest : public ::testing::Test {
 protected:
  static constexpr size_t kManyBytes = size_t{3} << 20;  // more than one read

  // Fetches version 1; calls `underway` after the first piece.
  absl::Status Fetch(const std::function<void()>& underway = nullptr, uint64_t begin = 0) {
    fetched_.clear();
    const absl::StatusOr<std::string> fingerprint = source_.Fingerprint(1);
    if (!fingerprint.ok()) return fingerprint.status();
    return source_.Fetch(1, *fingerprint, begin, [&](std::span<const std::byte> bytes) {
      if (fetched_.empty() && underway) underway();
      fetched_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return absl::OkStatus();
    });
  }

  TestStore store_;
  DirectorySource source_{store_.store(), kModel};
  std::string fetched_;
};

TEST_F(DirectorySourceTest, PollsTheManifest) {
  const Manifest manifest = store_.PublishBytes(3, "content");
  EXPECT_EQ(*source_.Poll(), manifest);
}

TEST_F(DirectorySourceTest, SaysWhatIsMissing) {
  const absl::Status status = source_.Poll().status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr(store_.ModelPath("CURRENT")));
  EXPECT_TRUE(absl::IsNotFound(Fetch()));
  EXPECT_TRUE(absl::IsNotFound(source_.Fingerprint(1).status()));
  EXPECT_TRUE(absl::IsNotFound(source_.ListVersions(10).status()));
}

TEST_F(DirectorySourceTest, NamesTheManifestThatItCannotRead) {
  WriteFile(store_.ModelPath("CURRENT"), "{\"model\": \"ctr\", \"vers");
  const absl::Status half = source_.Poll().status();
  EXPECT_TRUE(absl::IsInvalidArgument(half));
  EXPECT_THAT(std::string(half.message()), HasSubstr(store_.ModelPath("CURRENT")));
  WriteFile(store_.ModelPath("CURRENT"), std::string(kMaxManifestBytes + 1, ' '));
  EXPECT_TRUE(absl::IsInvalidArgument(source_.Poll().status()));
}

TEST_F(DirectorySourceTest, StreamsTheWholeFile) {
  std::string bytes(kManyBytes + 17, 'x');
  bytes[kManyBytes] = 'y';
  WriteFile(store_.WeightPath(1), bytes);
  ASSERT_TRUE(Fetch().ok());
  EXPECT_TRUE(fetched_ == bytes);
}

TEST_F(DirectorySourceTest, StreamsWhatLiesBehindTheBeginning) {
  const std::string bytes = std::string(kManyBytes, 'x') + "the end";
  WriteFile(store_.WeightPath(1), bytes);
  ASSERT_TRUE(Fetch(nullptr, kManyBytes).ok());
  EXPECT_EQ(fetched_, "the end");
  ASSERT_TRUE(Fetch(nullptr, bytes.size()).ok());
  EXPECT_EQ(fetched_, "");
  EXPECT_TRUE(absl::IsOutOfRange(Fetch(nullptr, bytes.size() + 1)));
}

TEST_F(DirectorySourceTest, DoesNotStreamAnotherFileThanTheOneAskedFor) {
  WriteFile(store_.WeightPath(1), "first");
  const std::string fingerprint = *source_.Fingerprint(1);
  WriteFile(store_.ModelPath("other"), "other");
  std::filesystem::rename(store_.ModelPath("other"), store_.WeightPath(1));
  const absl::Status status = source_.Fetch(1, fingerprint, 2, [](std::span<const std::byte>) {
    ADD_FAILURE() << "bytes of another file";
    return absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST_F(DirectorySourceTest, AnErrorOfTheSinkEndsTheFetch) {
  WriteFile(store_.WeightPath(1), std::string(kManyBytes, 'x'));
  int calls = 0;
  const absl::Status status =
      source_.Fetch(1, *source_.Fingerprint(1), 0, [&](std::span<const std::byte>) {
        ++calls;
        return absl::ResourceExhaustedError("disk full");
      });
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(calls, 1);
}

TEST_F(DirectorySourceTest, NoticesAFileThatIsTruncatedOrWrittenInPlaceUnderway) {
  WriteFile(store_.WeightPath(1), std::string(kManyBytes, 'x'));
  EXPECT_TRUE(absl::IsUnavailable(
      Fetch([&] { std::filesystem::resize_file(store_.WeightPath(1), 1 << 20); })));
  WriteFile(store_.WeightPath(1), std::string(kManyBytes, 'x'));
  EXPECT_TRUE(absl::IsUnavailable(
      Fetch([&] { WriteFile(store_.WeightPath(1), std::string(kManyBytes, 'y')); })));
}

TEST_F(DirectorySourceTest, AFileThatIsRenamedOverOrDeletedUnderwayIsReadToItsEnd) {
  const std::string bytes(kManyBytes, 'x');
  WriteFile(store_.WeightPath(1), bytes);
  WriteFile(store_.ModelPath("other"), std::string(kManyBytes, 'y'));
  const absl::Status status =
      Fetch([&] { std::filesystem::rename(store_.ModelPath("other"), store_.WeightPath(1)); });
  EXPECT_TRUE(fetched_ == bytes) << "never a mixture";
  EXPECT_TRUE(status.ok() || absl::IsUnavailable(status)) << status;
}

TEST_F(DirectorySourceTest, NeverWaitsForAPipeOrReadsAFolder) {
  std::filesystem::create_directories(store_.ModelPath(""));
  ASSERT_EQ(mkfifo(store_.WeightPath(1).c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(Fetch()));
  std::filesystem::create_directories(store_.ModelPath("CURRENT"));
  EXPECT_TRUE(absl::IsInvalidArgument(source_.Poll().status()));
}

TEST_F(DirectorySourceTest, ListsVersionsNewestFirstAndNothingElse) {
  for (const uint64_t version : {9, 10, 2}) WriteFile(store_.WeightPath(version), "x");
  WriteFile(store_.ModelPath("notes.txt"), "x");
  WriteFile(store_.WeightPath(11) + ".tmp-1-0", "x");
  EXPECT_THAT(*source_.ListVersions(10), ElementsAre(10, 9, 2));
  EXPECT_THAT(*source_.ListVersions(2), ElementsAre(10, 9));
}

TEST_F(DirectorySourceTest, TheFingerprintChangesWithTheFile) {
  WriteFile(store_.WeightPath(1), "first");
  const std::string before = *source_.Fingerprint(1);
  EXPECT_EQ(*source_.Fingerprint(1), before);
  WriteFile(store_.ModelPath("other"), "other");
  std::filesystem::rename(store_.ModelPath("other"), store_.WeightPath(1));
  EXPECT_NE(*source_.Fingerprint(1), before);
}

TEST_F(DirectorySourceTest, CancelEndsAFetchForGood) {
  WriteFile(store_.WeightPath(1), std::string(kManyBytes, 'x'));
  EXPECT_TRUE(absl::IsCancelled(Fetch([&] { source_.Cancel(); })));
  EXPECT_LT(fetched_.size(), kManyBytes);
  EXPECT_TRUE(absl::IsCancelled(source_.Poll().status()));
}

}  // namespace
}  // namespace fmserve::loader
