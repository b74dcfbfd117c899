#include "loader/fetch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <filesystem>

#include "tests/loader/scripted_source.h"

namespace fmserve::loader {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Outcome = Fetched::Outcome;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kFileBytes = 4 * kMiB + 17;

std::string Pattern(uint64_t size_bytes, char first) {
  std::string bytes(size_bytes, first);
  for (size_t i = 0; i < bytes.size(); i += 1000) bytes[i] = static_cast<char>(i / 1000);
  return bytes;
}

class FetchTest : public ::testing::Test {
 protected:
  FetchTest() { OpenCache(); }

  void OpenCache() {
    cache_.reset();
    absl::StatusOr<Cache> cache = Cache::Open(store_.cache());
    ASSERT_TRUE(cache.ok()) << cache.status();
    cache_.emplace(*std::move(cache));
  }

  Fetched Run(const Manifest& manifest, uint64_t bytes_per_s = 0) {
    script_->fetched_bytes = 0;
    return Fetch(source_, *cache_,
                 {.manifest = manifest, .max_bytes = 100 * kMiB, .bytes_per_s = bytes_per_s},
                 model::NeverStop);
  }
  // An attempt that ends after so many bytes.
  void BreakOff(const Manifest& manifest, uint64_t bytes) {
    script_->breaks_after_bytes = bytes;
    const Fetched broken = Run(manifest);
    EXPECT_EQ(broken.outcome, Outcome::kFailed);
    EXPECT_TRUE(absl::IsUnavailable(broken.failure)) << broken.failure;
    script_->breaks_after_bytes = 0;
  }
  void ExpectWhole(const Manifest& manifest, const std::string& bytes, Fetched fetched) {
    ASSERT_EQ(fetched.outcome, Outcome::kWhole) << fetched.detail << fetched.failure;
    EXPECT_EQ(fetched.manifest, manifest);
    ASSERT_TRUE(fetched.file->Commit().ok());
    EXPECT_TRUE(ReadFile(cache_->Path(Artifact::kWeights, manifest.version)) == bytes);
    EXPECT_THAT(PartialFiles(), ElementsAre());
  }
  std::vector<std::string> PartialFiles() const {
    std::vector<std::string> names = ListFolder(store_.cache());
    std::erase_if(
        names, [](const std::string& name) { return name.find(".partial-") == std::string::npos; });
    return names;
  }

  const std::string bytes_ = Pattern(kFileBytes, 'a');
  TestStore store_;
  std::shared_ptr<SourceScript> script_ = std::make_shared<SourceScript>();
  ScriptedSource source_{store_.MakeSource(), script_};
  std::optional<Cache> cache_;
};

TEST_F(FetchTest, GoesOnWhereItBrokeOff) {
  const Manifest manifest = store_.PublishBytes(1, bytes_);
  BreakOff(manifest, 3 * kMiB + kMiB / 2);
  EXPECT_THAT(PartialFiles(), ElementsAre(StartsWith(WeightFileName(1) + ".partial-")));
  ExpectWhole(manifest, bytes_, Run(manifest));
  EXPECT_EQ(script_->fetched_bytes, kFileBytes - 3 * kMiB) << "whole MiB are kept";
}

TEST_F(FetchTest, GoesOnAfterARestart) {
  const Manifest manifest = store_.PublishBytes(1, bytes_);
  BreakOff(manifest, 2 * kMiB);
  OpenCache();
  ExpectWhole(manifest, bytes_, Run(manifest));
  EXPECT_EQ(script_->fetched_bytes, kFileBytes - 2 * kMiB);
}

TEST_F(FetchTest, BeginsAnewWhenTheStoreHasAnotherFileByNow) {
  BreakOff(store_.PublishBytes(1, bytes_), 2 * kMiB);
  const std::string other = Pattern(kFileBytes, 'b');
  const Manifest manifest = store_.PublishBytes(1, other);
  ExpectWhole(manifest, other, Run(manifest));
  EXPECT_EQ(script_->fetched_bytes, kFileBytes);
}

TEST_F(FetchTest, BeginsAnewWhenTheFileIsOnlyWrittenAgain) {
  const Manifest manifest = store_.PublishBytes(1, bytes_);
  BreakOff(manifest, 2 * kMiB);
  WriteFile(store_.ModelPath("copy"), bytes_);
  std::filesystem::rename(store_.ModelPath("copy"), store_.WeightPath(1));
  ExpectWhole(manifest, bytes_, Run(manifest));
  EXPECT_EQ(script_->fetched_bytes, kFileBytes) << "nobody knows yet that it is the same";
}

TEST_F(FetchTest, FetchesAgainWhatSufferedInTheCache) {
  const Manifest manifest = store_.PublishBytes(1, bytes_);
  BreakOff(manifest, 2 * kMiB);
  const std::string path = store_.CachePath(PartialFiles().at(0));
  std::string beginning = ReadFile(path);
  beginning[kMiB] ^= 1;
  WriteFile(path, beginning);
  ExpectWhole(manifest, bytes_, Run(manifest));
}

TEST_F(FetchTest, FetchesNothingWhenAllIsThere) {
  const std::string bytes = Pattern(2 * kMiB, 'a');
  const Manifest manifest = store_.PublishBytes(1, bytes);
  Run(manifest).file->Leave();  // a server that ends while it verifies
  ExpectWhole(manifest, bytes, Run(manifest));
  EXPECT_EQ(script_->fetched_bytes, 0U);
}

TEST_F(FetchTest, KeepsOnePartialFile) {
  BreakOff(store_.PublishBytes(1, bytes_), 2 * kMiB);
  BreakOff(store_.PublishBytes(2, bytes_), 2 * kMiB);
  EXPECT_THAT(PartialFiles(), ElementsAre(StartsWith(WeightFileName(2))));
}

TEST_F(FetchTest, ABadFileLeavesNothing) {
  Manifest manifest = store_.PublishBytes(1, bytes_);
  manifest.sha256 = std::string(64, '0');
  const Fetched fetched = Run(manifest);
  EXPECT_EQ(fetched.outcome, Outcome::kRejected);
  EXPECT_EQ(fetched.gate, "checksum");
  EXPECT_THAT(PartialFiles(), ElementsAre());
}

TEST_F(FetchTest, ABadFileIsFetchedAtMostTwice) {
  Manifest manifest = store_.PublishBytes(1, bytes_);
  manifest.sha256 = std::string(64, '0');
  BreakOff(manifest, 2 * kMiB);
  EXPECT_EQ(Run(manifest).outcome, Outcome::kRejected);
  EXPECT_EQ(script_->fetched_bytes, 2 * kFileBytes - 2 * kMiB);
}

TEST_F(FetchTest, SaysBeforeTheFirstByteThatThereIsNoRoom) {
  Manifest manifest = store_.PublishBytes(1, bytes_);
  manifest.size_bytes = uint64_t{1} << 60;
  const Fetched fetched = Run(manifest);
  EXPECT_EQ(fetched.outcome, Outcome::kFailed);
  EXPECT_TRUE(absl::IsResourceExhausted(fetched.failure));
  const std::string said(fetched.failure.message());
  EXPECT_THAT(said, StartsWith(store_.cache() + ": version 1 needs 1152921504606846976 bytes"));
  EXPECT_THAT(said, HasSubstr("are free"));
  EXPECT_EQ(script_->fetches_count, 0);
  EXPECT_THAT(PartialFiles(), ElementsAre());
}

TEST_F(FetchTest, AFullDiskGetsItsRoomBack) {
  const Manifest manifest = store_.PublishBytes(1, bytes_);
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit full = before;
  full.rlim_cur = 2 * kMiB;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  const Fetched fetched = Run(manifest);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(fetched.outcome, Outcome::kFailed);
  EXPECT_THAT(std::string(fetched.failure.message()), HasSubstr("cannot write"));
  EXPECT_THAT(PartialFiles(), ElementsAre());
  ExpectWhole(manifest, bytes_, Run(manifest));
}

TEST_F(FetchTest, KeepsToTheLimit) {
  const Manifest manifest = store_.PublishBytes(1, bytes_);
  const auto start = std::chrono::steady_clock::now();
  ExpectWhole(manifest, bytes_, Run(manifest, 40 * kMiB));
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(95));
}

TEST_F(FetchTest, StopsWhileItWaitsForTheLimit) {
  const Manifest manifest = store_.PublishBytes(1, bytes_);
  int calls = 0;
  const Fetched fetched = Fetch(source_, *cache_, {.manifest = manifest, .bytes_per_s = 1}, [&] {
    return ++calls < 3 ? absl::OkStatus() : absl::CancelledError("stopped");
  });
  EXPECT_EQ(fetched.outcome, Outcome::kFailed);
  EXPECT_TRUE(absl::IsCancelled(fetched.failure));
}

}  // namespace
}  // namespace fmserve::loader
