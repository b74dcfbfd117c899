#include "loader/model_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/loader/scripted_source.h"

namespace fmserve::loader {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ModelLoaderTest : public LoaderFixture {
 protected:
  // The store names `version`, which is not fit to serve; what served goes on serving.
  void ExpectRejected(uint64_t version, const std::string& reason) {
    ASSERT_TRUE(log_.WaitFor(Kind::kRejected, version)) << loader_->GetStatus().last_error;
    EXPECT_THAT(Listed(version).reason, HasSubstr(reason));
    EXPECT_EQ(Listed(version).state, VersionState::kRejected);
    EXPECT_THAT(loader_->GetStatus().last_error, HasSubstr("rejected"));
    EXPECT_EQ(loader_->GetStatus().serving_version, published_);
    const int fetches = script_->fetches_count;
    WaitForPolls();
    EXPECT_EQ(script_->fetches_count, fetches) << "it must not be tried again until it changes";
    EXPECT_EQ(log_.Count(Kind::kRejected), 1);
  }
};

TEST_F(ModelLoaderTest, ServesWhatIsPublishedAndThenWhatIsNewer) {
  Start();
  EXPECT_EQ(loader_->slot().Get(), nullptr);
  PublishAndServe();
  PublishAndServe();
  PublishAndServe();
  const ModelStatus status = loader_->GetStatus();
  EXPECT_EQ(status.model, kModel);
  EXPECT_EQ(status.previous_version, 2U);
  EXPECT_EQ(status.swaps_count, 2U);
  EXPECT_GT(status.serving_since_unix_us, status.published_unix_us);
  EXPECT_EQ(Listed(3).state, VersionState::kServing);
  EXPECT_EQ(Listed(2).state, VersionState::kPrevious);
  EXPECT_EQ(Listed(1).state, VersionState::kCached);
}

TEST_F(ModelLoaderTest, KeepsTwoSnapshotsMappedAndTheLastGoodVersionsCached) {
  options_.cached_versions = 3;
  Start();
  for (int i = 0; i < 6; ++i) PublishAndServe();
  EXPECT_TRUE(Eventually([&] {
    return ListFolder(store_.cache()) ==
           std::vector<std::string>{".lock",           WeightFileName(4), WeightFileName(5),
                                    WeightFileName(6), "history.jsonl",   "state.json"};
  }));
  const uint64_t file_bytes = std::filesystem::file_size(store_.WeightPath(6));
  EXPECT_TRUE(Eventually([&] { return loader_->GetStatus().snapshot_bytes == 2 * file_bytes; }));
  EXPECT_EQ(Listed(1).state, VersionState::kAvailable);
}

TEST_F(ModelLoaderTest, ACorruptedFileIsRejectedAndTheRepairedOneServes) {
  Start();
  PublishAndServe();
  std::string bytes = store_.Bytes({.w0 = 2, .version = 2});
  const Manifest manifest = store_.PublishBytes(2, bytes);
  ASSERT_TRUE(ComesToServe(*loader_, 2));
  published_ = 2;
  bytes = store_.Bytes({.w0 = 3, .version = 3});
  bytes[bytes.size() / 2] ^= 1;
  store_.PublishBytes(3, bytes);
  ExpectRejected(3, "structure: section");
  store_.PublishBytes(3, store_.Bytes({.w0 = 3, .version = 3}));
  EXPECT_TRUE(ComesToServe(*loader_, 3));
  EXPECT_EQ(loader_->GetStatus().last_error, "");
}

TEST_F(ModelLoaderTest, AHalfWrittenFileIsRejectedUntilItIsWhole) {
  Start();
  PublishAndServe();
  const std::string bytes = store_.Bytes({.w0 = 2, .version = 2});
  store_.PublishBytes(2, bytes);
  ASSERT_TRUE(ComesToServe(*loader_, 2));
  const std::string next = store_.Bytes({.w0 = 3, .version = 3});
  const Manifest manifest{
      .model = kModel, .version = 3, .size_bytes = next.size(), .sha256 = Sha256Hex(next)};
  WriteFile(store_.WeightPath(3), next.substr(0, next.size() / 2));
  store_.PublishManifest(manifest);
  published_ = 2;
  ExpectRejected(3, "checksum");
  WriteFile(store_.WeightPath(3), next);
  EXPECT_TRUE(ComesToServe(*loader_, 3));
}

TEST_F(ModelLoaderTest, OtherBytesThanTheManifestSaysAreRejected) {
  Start();
  PublishAndServe();
  std::string bytes = store_.Bytes({.w0 = 2, .version = 2});
  const Manifest manifest{
      .model = kModel, .version = 2, .size_bytes = bytes.size(), .sha256 = Sha256Hex("other")};
  WriteFile(store_.WeightPath(2), bytes);
  store_.PublishManifest(manifest);
  ExpectRejected(2, "SHA-256");
}

TEST_F(ModelLoaderTest, AFileLongerThanTheManifestSaysIsRejected) {
  Start();
  PublishAndServe();
  const std::string bytes = store_.Bytes({.w0 = 2, .version = 2});
  Manifest manifest{
      .model = kModel, .version = 2, .size_bytes = bytes.size(), .sha256 = Sha256Hex(bytes)};
  WriteFile(store_.WeightPath(2), bytes + "x");
  store_.PublishManifest(manifest);
  ExpectRejected(2, "checksum");
}

TEST_F(ModelLoaderTest, GatesRejectAndNothingOfItStaysInTheCache) {
  Start();
  PublishAndServe();
  store_.PublishBytes(2, store_.Bytes({.w0 = 2, .version = 2, .golden_error = 0.5}));
  ExpectRejected(2, "golden");
  EXPECT_THAT(ListFolder(store_.cache()),
              ElementsAre(".lock", WeightFileName(1), "history.jsonl", "state.json"));
}

TEST_F(ModelLoaderTest, AFileOfAnotherModelIsRejected) {
  Start();
  PublishAndServe();
  store_.PublishBytes(2, store_.Bytes({.model = "cvr", .version = 2}));
  ExpectRejected(2, "identity");
}

TEST_F(ModelLoaderTest, ALowerVersionIsRejectedUnfetchedUnlessAllowed) {
  Start();
  store_.PublishBytes(5, store_.Bytes({.version = 5}));
  ASSERT_TRUE(ComesToServe(*loader_, 5));
  published_ = 5;
  store_.PublishBytes(4, store_.Bytes({.version = 4}));
  ExpectRejected(4, "version");
  EXPECT_EQ(script_->fetches_count, 1);
  options_.gates.allow_version_decrease = true;
  Restart();
  EXPECT_TRUE(ComesToServe(*loader_, 4));
}

TEST_F(ModelLoaderTest, AVersionThatServesIsNotReplacedUnderItsNumber) {
  Start();
  PublishAndServe();
  store_.PublishBytes(1, store_.Bytes({.w0 = 9, .version = 1}));
  ASSERT_TRUE(log_.WaitFor(Kind::kRejected, 1));
  WaitForPolls();
  EXPECT_EQ(EmptyScore(*loader_->slot().Get()), 1.0F);
}

TEST_F(ModelLoaderTest, APipeOrAFolderInPlaceOfAFileDoesNotHoldItUp) {
  Start();
  PublishAndServe();
  store_.PublishManifest(
      {.model = kModel, .version = 2, .size_bytes = 9, .sha256 = std::string(64, '0')});
  ASSERT_EQ(mkfifo(store_.WeightPath(2).c_str(), 0600), 0);
  ExpectRejected(2, "not a regular file");
  std::filesystem::remove(store_.WeightPath(2));
  published_ = 2;
  PublishNext();
  EXPECT_TRUE(ComesToServe(*loader_, 3));
}

TEST_F(ModelLoaderTest, AStoreThatGoesAwayUnloadsNothingAndHealsWhenItIsBack) {
  PublishNext();
  Start();
  ASSERT_TRUE(ComesToServe(*loader_, 1));
  std::filesystem::rename(store_.store(), store_.store() + ".away");
  ASSERT_TRUE(log_.WaitFor(Kind::kFailed, 0));
  EXPECT_TRUE(Eventually([&] { return loader_->GetStatus().poll_failures_count >= 3; }))
      << "for ever";
  const ModelStatus status = loader_->GetStatus();
  EXPECT_EQ(status.serving_version, 1U);
  EXPECT_EQ(status.load_state, LoadState::kRetrying);
  EXPECT_THAT(status.last_error, HasSubstr("CURRENT"));
  EXPECT_EQ(log_.Count(Kind::kFailed), 1) << "once for all retries";
  std::filesystem::rename(store_.store() + ".away", store_.store());
  ASSERT_TRUE(loader_->Reload(Soon()).ok());
  EXPECT_TRUE(log_.WaitFor(Kind::kRecovered, 1));
  EXPECT_EQ(loader_->GetStatus().last_error, "");
  PublishAndServe();
}

TEST_F(ModelLoaderTest, PassingFailuresAreRetriedUntilTheyPass) {
  script_->failing_polls = 3;
  script_->failing_fetches = 3;
  PublishNext();
  Start();
  ASSERT_TRUE(ComesToServe(*loader_, 1));
  EXPECT_EQ(script_->failing_polls, 0);
  EXPECT_EQ(script_->fetches_count, 4);
  EXPECT_EQ(loader_->GetStatus().poll_failures_count, 6U);
  EXPECT_TRUE(Eventually([&] { return log_.Count(Kind::kRecovered) == 1; }));
}

TEST_F(ModelLoaderTest, AWeightFileThatIsDeletedBeforeItIsFetchedIsWaitedFor) {
  Start();
  PublishAndServe();
  const std::string bytes = store_.Bytes({.w0 = 2, .version = 2});
  store_.PublishManifest(
      {.model = kModel, .version = 2, .size_bytes = bytes.size(), .sha256 = Sha256Hex(bytes)});
  ASSERT_TRUE(log_.WaitFor(Kind::kFailed, 2));
  EXPECT_EQ(loader_->GetStatus().serving_version, 1U);
  WriteFile(store_.WeightPath(2), bytes);
  EXPECT_TRUE(ComesToServe(*loader_, 2));
}

TEST_F(ModelLoaderTest, WhatServesIsNotTouchedByWhoeverWritesToTheStore) {
  Start();
  PublishAndServe();
  WriteFile(store_.WeightPath(1), "overwritten in place");
  std::filesystem::resize_file(store_.WeightPath(1), 0);
  EXPECT_EQ(EmptyScore(*loader_->slot().Get()), 1.0F);
  std::filesystem::remove_all(store_.store());
  EXPECT_EQ(EmptyScore(*loader_->slot().Get()), 1.0F);
}

TEST_F(ModelLoaderTest, AManifestOfAnotherModelIsAFailureThatNamesBoth) {
  store_.PublishManifest(
      {.model = "cvr", .version = 1, .size_bytes = 9, .sha256 = std::string(64, '0')});
  std::filesystem::create_directories(store_.ModelPath(""));
  Start();
  ASSERT_TRUE(log_.WaitFor(Kind::kFailed, 0));
  EXPECT_THAT(loader_->GetStatus().last_error, HasSubstr("'cvr'"));
}

TEST_F(ModelLoaderTest, StopsInTheMiddleOfAStallingFetch) {
  Start();
  PublishAndServe();
  script_->stall = true;
  PublishNext();
  ASSERT_TRUE(Eventually([&] { return script_->stalling.load(); }));
  EXPECT_EQ(loader_->GetStatus().load_state, LoadState::kFetching);
  EXPECT_EQ(loader_->GetStatus().loading_version, 2U);
  loader_->Stop();
  loader_->Stop();
  EXPECT_EQ(EmptyScore(*loader_->slot().Get()), 1.0F) << "the slot keeps serving";
  EXPECT_TRUE(absl::IsUnavailable(loader_->Rollback()));
}

TEST_F(ModelLoaderTest, StopDoesNotWaitForAStoreThatHangs) {
  Start();
  PublishAndServe();
  script_->deaf = true;
  script_->stall = true;
  PublishNext();
  ASSERT_TRUE(Eventually([&] { return script_->stalling.load(); }));
  loader_->Stop();
  EXPECT_TRUE(script_->stalling);
  EXPECT_EQ(loader_->slot().Get()->version(), 1U);
  script_->stall = false;
}

TEST_F(ModelLoaderTest, TwoLoadersDoNotShareACache) {
  Start();
  ModelLoader other(options_, store_.MakeSource(), log_.listener());
  EXPECT_TRUE(absl::IsUnavailable(other.Start()));
}

TEST_F(ModelLoaderTest, RequestsNeverSeeAMixtureWhileVersionsComeAndLeversAreMoved) {
  Start();
  PublishAndServe();
  PublishAndServe();
  std::atomic<bool> done = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!done) {
        const std::shared_ptr<const Snapshot> snapshot = loader_->slot().Get();
        ASSERT_EQ(EmptyScore(*snapshot), static_cast<float>(snapshot->version()));
      }
    });
  }
  threads.emplace_back([&] {
    while (!done) {
      loader_->Rollback().IgnoreError();
      loader_->Reload(ModelLoader::Clock::now() + std::chrono::milliseconds(20)).IgnoreError();
    }
  });
  threads.emplace_back([&] {
    for (uint64_t version = 1; !done; version = version % 3 + 1) {
      loader_->Pin(version, ModelLoader::Clock::now() + std::chrono::milliseconds(20))
          .IgnoreError();
      loader_->Unpin().IgnoreError();
      loader_->GetStatus();
      loader_->ListVersions();
    }
  });
  for (int i = 0; i < 10; ++i) PublishNext();
  done = true;
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(loader_->Unpin().ok());
  ASSERT_TRUE(loader_->Reload(Soon()).ok());
  EXPECT_TRUE(ComesToServe(*loader_, published_)) << loader_->GetStatus().last_error;
}

}  // namespace
}  // namespace fmserve::loader
