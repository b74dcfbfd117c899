// Reload, rollback, pin and unpin.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <future>

#include "tests/loader/scripted_source.h"

namespace fmserve::loader {
namespace {

using ::testing::HasSubstr;
using Clock = ModelLoader::Clock;

class Levers : public LoaderFixture {
 protected:
  Levers() { options_.poll_interval = std::chrono::milliseconds(20); }

  void StartWith(int versions) {
    Start();
    for (int i = 0; i < versions; ++i) PublishAndServe();
  }
  uint64_t serving() const { return loader_->GetStatus().serving_version; }
};

TEST_F(Levers, RollbackServesThePreviousVersionAndSetsTheOtherAside) {
  StartWith(2);
  ASSERT_TRUE(loader_->Rollback().ok());
  EXPECT_EQ(EmptyScore(*loader_->slot().Get()), 1.0F);
  EXPECT_EQ(loader_->GetStatus().previous_version, 2U);
  WaitForPolls();
  EXPECT_EQ(serving(), 1U) << "the store still names version 2";
  EXPECT_TRUE(log_.WaitFor(Kind::kRolledBack, 1));
  PublishAndServe();
}

TEST_F(Levers, ReloadBringsBackWhatWasRolledBack) {
  StartWith(2);
  ASSERT_TRUE(loader_->Rollback().ok());
  ASSERT_TRUE(loader_->Reload(Soon()).ok());
  EXPECT_EQ(serving(), 2U);
  EXPECT_EQ(script_->fetches_count, 2) << "it lies in the cache";
}

TEST_F(Levers, RollbackNeedsAPreviousVersion) {
  StartWith(1);
  EXPECT_TRUE(absl::IsFailedPrecondition(loader_->Rollback()));
}

TEST_F(Levers, RollbackReadsNoStorageAndDoesNotWaitForAFetch) {
  StartWith(2);
  script_->stall = true;
  PublishNext();
  ASSERT_TRUE(Eventually([&] { return script_->stalling.load(); }));
  std::filesystem::remove_all(store_.store());
  std::vector<Clock::duration> times;
  for (int i = 0; i < 9; ++i) {
    const Clock::time_point begin = Clock::now();
    ASSERT_TRUE(loader_->Rollback().ok());
    times.push_back(Clock::now() - begin);
  }
  std::ranges::nth_element(times, times.begin() + 4);
  EXPECT_LT(times[4], std::chrono::milliseconds(10));
  EXPECT_EQ(serving(), 1U);
  EXPECT_TRUE(script_->stalling);
}

TEST_F(Levers, ReloadTriesARejectedVersionAgain) {
  StartWith(1);
  store_.PublishBytes(2, store_.Bytes({.version = 2, .golden_error = 0.5}));
  ASSERT_TRUE(log_.WaitFor(Kind::kRejected, 2));
  const int fetches = script_->fetches_count;
  const absl::Status status = loader_->Reload(Soon());
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("golden"));
  EXPECT_EQ(script_->fetches_count, fetches + 1);
}

TEST_F(Levers, ReloadSaysWhyTheStoreCannotBeRead) {
  StartWith(1);
  script_->failing_polls = 1000000;
  EXPECT_TRUE(absl::IsUnavailable(loader_->Reload(Soon())));
  script_->failing_polls = 0;
  EXPECT_TRUE(loader_->Reload(Soon()).ok());
}

TEST_F(Levers, ALeverReturnsAtItsDeadlineAndTheWorkGoesOn) {
  StartWith(1);
  script_->stall = true;
  PublishNext();
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(loader_->Reload(Clock::now() + std::chrono::milliseconds(50))));
  script_->stall = false;
  EXPECT_TRUE(ComesToServe(*loader_, 2));
}

TEST_F(Levers, PinServesAVersionOfTheCacheUntilUnpin) {
  StartWith(3);
  ASSERT_TRUE(loader_->Pin(1, Soon()).ok());
  EXPECT_EQ(EmptyScore(*loader_->slot().Get()), 1.0F);
  EXPECT_EQ(loader_->GetStatus().pinned_version, 1U);
  EXPECT_EQ(script_->fetches_count, 3);
  PublishNext();
  WaitForPolls();
  EXPECT_EQ(serving(), 1U);
  EXPECT_TRUE(absl::IsFailedPrecondition(loader_->Rollback()));
  EXPECT_TRUE(absl::IsFailedPrecondition(loader_->Reload(Soon())));
  ASSERT_TRUE(loader_->Unpin().ok());
  EXPECT_TRUE(ComesToServe(*loader_, 4));
  EXPECT_TRUE(log_.WaitFor(Kind::kPinned, 1));
  EXPECT_TRUE(log_.WaitFor(Kind::kUnpinned, 1));
}

TEST_F(Levers, PinFetchesFromTheStoreWhatTheCacheNoLongerHas) {
  options_.cached_versions = 2;
  StartWith(4);
  ASSERT_TRUE(loader_->Pin(1, Soon()).ok());
  EXPECT_EQ(EmptyScore(*loader_->slot().Get()), 1.0F);
  EXPECT_EQ(script_->fetches_count, 5);
  EXPECT_EQ(Listed(1).sha256, Sha256Hex(ReadFile(store_.WeightPath(1))));
}

TEST_F(Levers, PinOfThePreviousOrTheServingVersionIsImmediate) {
  StartWith(2);
  script_->stall = true;
  PublishNext();
  ASSERT_TRUE(Eventually([&] { return script_->stalling.load(); }));
  ASSERT_TRUE(loader_->Pin(1, Soon()).ok());
  EXPECT_EQ(serving(), 1U);
  ASSERT_TRUE(loader_->Pin(1, Soon()).ok());
  script_->stall = false;
  WaitForPolls();
  EXPECT_EQ(serving(), 1U) << "what was being fetched is kept, not served";
  ASSERT_TRUE(loader_->Unpin().ok());
  EXPECT_TRUE(ComesToServe(*loader_, 3));
  EXPECT_EQ(script_->fetches_count, 3);
}

TEST_F(Levers, PinGoesBeforeAFetchUnderway) {
  StartWith(3);
  script_->stall = true;
  PublishNext();
  ASSERT_TRUE(Eventually([&] { return script_->stalling.load(); }));
  std::future<absl::Status> pinned =
      std::async(std::launch::async, [&] { return loader_->Pin(1, Soon()); });
  EXPECT_EQ(pinned.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  script_->stall = false;
  EXPECT_TRUE(pinned.get().ok());
  EXPECT_EQ(serving(), 1U);
}

TEST_F(Levers, PinOfWhatIsNotThereChangesNothing) {
  StartWith(2);
  EXPECT_TRUE(absl::IsNotFound(loader_->Pin(77, Soon())));
  EXPECT_TRUE(absl::IsInvalidArgument(loader_->Pin(0, Soon())));
  WriteFile(store_.WeightPath(9), "garbage");
  EXPECT_TRUE(absl::IsFailedPrecondition(loader_->Pin(9, Soon())));
  std::filesystem::remove(store_.WeightPath(9));
  EXPECT_EQ(serving(), 2U);
  EXPECT_EQ(loader_->GetStatus().pinned_version, 0U);
  EXPECT_TRUE(loader_->Unpin().ok()) << "unpinning what is not pinned does no harm";
  PublishAndServe();
}

TEST_F(Levers, PinHealsABrokenCopyFromTheStore) {
  StartWith(3);
  std::string bytes = ReadFile(store_.CachePath(WeightFileName(1)));
  bytes[bytes.size() / 2] ^= 1;
  WriteFile(store_.CachePath(WeightFileName(1)), bytes);
  ASSERT_TRUE(loader_->Pin(1, Soon()).ok());
  EXPECT_EQ(EmptyScore(*loader_->slot().Get()), 1.0F);
  EXPECT_EQ(script_->fetches_count, 4);
}

}  // namespace
}  // namespace fmserve::loader
