// What a server serves after a restart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/loader/scripted_source.h"

namespace fmserve::loader {
namespace {

using ::testing::HasSubstr;

class LoaderRestart : public LoaderFixture {
 protected:
  void StartWith(int versions) {
    Start();
    for (int i = 0; i < versions; ++i) PublishAndServe();
  }
  void LoseStore() { std::filesystem::remove_all(store_.store()); }
  uint64_t serving() const { return loader_->GetStatus().serving_version; }
  void BreakCached(uint64_t version) const {
    const std::string path = store_.CachePath(WeightFileName(version));
    std::string bytes = ReadFile(path);
    bytes[bytes.size() / 2] ^= 1;
    WriteFile(path, bytes);
  }
};

TEST_F(LoaderRestart, TheLastGoodVersionServesBeforeStartReturnsWithTheStoreGone) {
  StartWith(3);
  LoseStore();
  Restart();
  ASSERT_NE(loader_->slot().Get(), nullptr);
  EXPECT_EQ(EmptyScore(*loader_->slot().Get()), 3.0F);
  EXPECT_EQ(serving(), 3U);
}

TEST_F(LoaderRestart, RollbackWorksAgain) {
  StartWith(3);
  LoseStore();
  Restart();
  ASSERT_TRUE(Eventually([&] { return loader_->GetStatus().previous_version == 2; }));
  ASSERT_TRUE(loader_->Rollback().ok());
  EXPECT_EQ(EmptyScore(*loader_->slot().Get()), 2.0F);
}

TEST_F(LoaderRestart, WhatWasRolledBackStaysAside) {
  StartWith(2);
  ASSERT_TRUE(loader_->Rollback().ok());
  Restart();
  EXPECT_EQ(serving(), 1U);
  WaitForPolls();
  EXPECT_EQ(serving(), 1U);
  PublishAndServe();
}

TEST_F(LoaderRestart, APinHolds) {
  StartWith(3);
  ASSERT_TRUE(loader_->Pin(1, Soon()).ok());
  Restart();
  EXPECT_EQ(serving(), 1U);
  EXPECT_EQ(loader_->GetStatus().pinned_version, 1U);
  WaitForPolls();
  EXPECT_EQ(serving(), 1U);
  ASSERT_TRUE(loader_->Unpin().ok());
  Restart();
  EXPECT_TRUE(ComesToServe(*loader_, 3));
}

TEST_F(LoaderRestart, APinnedVersionThatTheCacheLostIsFetchedAgain) {
  StartWith(3);
  ASSERT_TRUE(loader_->Pin(1, Soon()).ok());
  loader_.reset();
  std::filesystem::remove(store_.CachePath(WeightFileName(1)));
  Start();
  EXPECT_NE(serving(), 0U) << "something good serves in the meantime";
  EXPECT_TRUE(ComesToServe(*loader_, 1));
}

TEST_F(LoaderRestart, ARejectedVersionIsRememberedAndNotFetchedAgain) {
  StartWith(1);
  store_.PublishBytes(2, store_.Bytes({.version = 2, .golden_error = 0.5}));
  ASSERT_TRUE(log_.WaitFor(Kind::kRejected, 2));
  const int fetches = script_->fetches_count;
  Restart();
  WaitForPolls();
  EXPECT_EQ(script_->fetches_count, fetches);
  EXPECT_EQ(log_.Count(Kind::kRejected), 1);
  EXPECT_EQ(Listed(2).state, VersionState::kRejected);
  EXPECT_THAT(Listed(2).reason, HasSubstr("golden"));
  EXPECT_THAT(loader_->GetStatus().last_error, HasSubstr("golden"));
}

TEST_F(LoaderRestart, ABrokenCopyIsPassedOverForTheNextGoodOneAndRemoved) {
  StartWith(3);
  loader_.reset();
  LoseStore();
  BreakCached(3);
  Start();
  EXPECT_EQ(EmptyScore(*loader_->slot().Get()), 2.0F);
  EXPECT_TRUE(log_.WaitFor(Kind::kFailed, 3));
  EXPECT_TRUE(
      Eventually([&] { return !std::filesystem::exists(store_.CachePath(WeightFileName(3))); }));
}

TEST_F(LoaderRestart, ABrokenCopyHealsFromTheStore) {
  StartWith(3);
  loader_.reset();
  BreakCached(3);
  Start();
  EXPECT_TRUE(ComesToServe(*loader_, 3));
}

TEST_F(LoaderRestart, AFileThatIsNotTheVersionItIsNamedForDoesNotServe) {
  StartWith(2);
  loader_.reset();
  LoseStore();
  std::filesystem::copy_file(store_.CachePath(WeightFileName(1)),
                             store_.CachePath(WeightFileName(9)));
  std::filesystem::remove(store_.CachePath("state.json"));
  Start();
  EXPECT_EQ(EmptyScore(*loader_->slot().Get()), 2.0F);
  EXPECT_TRUE(log_.WaitFor(Kind::kFailed, 9));
}

TEST_F(LoaderRestart, WithoutItsStateTheNewestGoodFileServes) {
  StartWith(3);
  loader_.reset();
  LoseStore();
  WriteFile(store_.CachePath("state.json"), "{\"serving_version\": 2");
  Start();
  EXPECT_EQ(EmptyScore(*loader_->slot().Get()), 3.0F);
}

TEST_F(LoaderRestart, WithNothingInTheCacheItStartsEmptyAndWaits) {
  Start();
  EXPECT_EQ(loader_->slot().Get(), nullptr);
  EXPECT_EQ(serving(), 0U);
  PublishAndServe();
}

}  // namespace
}  // namespace fmserve::loader
