// A rollout that begins with a share of the requests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/loader/scripted_source.h"

namespace fmserve::loader {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr milliseconds kForEver{3600000};

class Canaries : public LoaderFixture {
 protected:
  Canaries() {
    options_.poll_interval = milliseconds(20);
    options_.rollout = {
        .mode = RolloutMode::kCanary, .canary_percent = 20.0, .canary_time = kForEver};
  }
  void TearDown() override { loader_.reset(); }  // it asks this object

  // Version 1 serves, version 2 is the canary.
  void StartWithCanary() {
    Start();
    PublishAndServe();
    PublishCanary();
    ASSERT_TRUE(Eventually([&] { return Status().load_state == LoadState::kIdle; }));
  }
  void PublishCanary() {
    const uint64_t version = PublishNext();
    ASSERT_TRUE(ComesToBeCanary(version)) << version << ": " << Status().last_error;
  }
  bool ComesToBeCanary(uint64_t version) const {
    return Eventually([&] { return Status().canary_version == version; });
  }

  // Which version answers so many requests, in percent.
  double PercentOf(uint64_t version) const {
    constexpr int kRequests = 2000;
    int count = 0;
    for (int i = 0; i < kRequests; ++i)
      count += loader_->slot().Choose(absl::StrCat("request-", i))->version() == version ? 1 : 0;
    return 100.0 * count / kRequests;
  }
  void ExpectNoCanary() const {
    EXPECT_EQ(Status().canary_version, 0U);
    EXPECT_EQ(Status().canary_percent, 0.0);
    EXPECT_EQ(loader_->slot().Canary(), nullptr);
    EXPECT_EQ(PercentOf(Status().serving_version), 100.0);
  }
};

TEST_F(Canaries, TheFirstVersionServesAllAtOnce) {
  Start();
  PublishAndServe();
  ExpectNoCanary();
  EXPECT_EQ(log_.Count(Kind::kCanaryStarted), 0);
}

TEST_F(Canaries, AnswerTheirShareBesideWhatServes) {
  StartWithCanary();
  const ModelStatus status = Status();
  EXPECT_EQ(status.serving_version, 1U);
  EXPECT_EQ(status.previous_version, 0U);
  EXPECT_EQ(status.canary_percent, 20.0);
  EXPECT_NEAR(static_cast<double>(status.canary_since_unix_us),
              static_cast<double>(absl::ToUnixMicros(absl::Now())), 30e6);
  EXPECT_EQ(status.swaps_count, 0U);
  EXPECT_NEAR(PercentOf(2), 20.0, 4.0);
  EXPECT_NEAR(PercentOf(1), 80.0, 4.0);
  EXPECT_EQ(Listed(2).state, VersionState::kCanary);
  EXPECT_EQ(Listed(2).reason, "20 % of the requests");
  EXPECT_EQ(Listed(1).state, VersionState::kServing);
  ASSERT_TRUE(log_.WaitFor(Kind::kCanaryStarted, 2));
  WaitForPolls();
  EXPECT_EQ(script_->fetches_count, 2) << "it is not loaded again";
  EXPECT_EQ(log_.Count(Kind::kCanaryStarted), 1);
}

TEST_F(Canaries, AnswerAllWhenTheirTimeIsOverAndCanBeRolledBack) {
  options_.rollout.canary_time = milliseconds(300);
  Start();
  PublishAndServe();
  PublishCanary();
  ASSERT_TRUE(ComesToServe(*loader_, 2));
  ExpectNoCanary();
  EXPECT_EQ(Status().previous_version, 1U);
  EXPECT_EQ(Status().swaps_count, 1U);
  EXPECT_EQ(Listed(2).state, VersionState::kServing);
  ASSERT_TRUE(log_.WaitFor(Kind::kPublished, 2));
  EXPECT_EQ(log_.Count(Kind::kCanaryEnded), 0);
  ASSERT_TRUE(loader_->Rollback().ok());
  EXPECT_EQ(Status().serving_version, 1U);
  WaitForPolls();
  ExpectNoCanary();
}

TEST_F(Canaries, AnswerAllAtOnceWhenTheyAreApproved) {
  StartWithCanary();
  ASSERT_TRUE(loader_->Approve(2, Soon()).ok());
  EXPECT_EQ(Status().serving_version, 2U);
  EXPECT_EQ(Status().previous_version, 1U);
  ExpectNoCanary();
  EXPECT_TRUE(log_.WaitFor(Kind::kApproved, 2));
  EXPECT_THAT(std::string(loader_->Approve(2, Soon()).message()),
              HasSubstr("version 2 is not held; none is"));
}

TEST_F(Canaries, AreRejectedForAnOperatorsReason) {
  StartWithCanary();
  EXPECT_THAT(std::string(loader_->Reject(9, "odd").message()),
              HasSubstr("version 9 is not held; none is; version 2 is the canary"));
  EXPECT_TRUE(absl::IsInvalidArgument(loader_->Reject(2, "")));
  ASSERT_TRUE(loader_->Reject(2, "it predicts less for news").ok());
  ExpectNoCanary();
  EXPECT_EQ(Listed(2).state, VersionState::kRejected);
  EXPECT_EQ(Listed(2).reason, "operator: it predicts less for news");
  EXPECT_TRUE(log_.WaitFor(Kind::kRejected, 2));
  EXPECT_TRUE(
      Eventually([&] { return !std::filesystem::exists(store_.CachePath(WeightFileName(2))); }));
  WaitForPolls();
  ExpectNoCanary();
  Restart();
  WaitForPolls();
  ExpectNoCanary();
  EXPECT_EQ(script_->fetches_count, 2);
  EXPECT_TRUE(loader_->Reload(Soon()).ok());
  EXPECT_EQ(Status().canary_version, 2U) << "a reload tries it again";
}

TEST_F(Canaries, AreEndedAndSetAsideByARollback) {
  StartWithCanary();
  ASSERT_TRUE(loader_->Rollback().ok());
  ExpectNoCanary();
  EXPECT_EQ(Status().serving_version, 1U);
  EXPECT_EQ(Status().swaps_count, 0U);
  EXPECT_EQ(Listed(2).state, VersionState::kCached);
  EXPECT_TRUE(log_.WaitFor(Kind::kCanaryEnded, 2));
  EXPECT_EQ(log_.Count(Kind::kRolledBack), 0);
  WaitForPolls();
  ExpectNoCanary();
  EXPECT_THAT(std::string(loader_->Rollback().message()),
              HasSubstr("there is no previous version"));
  EXPECT_TRUE(loader_->Reload(Soon()).ok());
  EXPECT_EQ(Status().canary_version, 2U) << "a reload brings it back";
}

TEST_F(Canaries, AreEndedByAPinOfAnotherVersion) {
  StartWithCanary();
  ASSERT_TRUE(loader_->Pin(1, Soon()).ok());
  ExpectNoCanary();
  WaitForPolls();
  ExpectNoCanary();
  EXPECT_TRUE(log_.WaitFor(Kind::kCanaryEnded, 2));
  ASSERT_TRUE(loader_->Unpin().ok());
  EXPECT_TRUE(ComesToBeCanary(2)) << "what is published goes its way again";
}

TEST_F(Canaries, AnswerAllWhenTheyArePinned) {
  StartWithCanary();
  ASSERT_TRUE(loader_->Pin(2, Soon()).ok());
  EXPECT_EQ(Status().serving_version, 2U);
  EXPECT_EQ(Status().pinned_version, 2U);
  EXPECT_EQ(Status().previous_version, 1U);
  ExpectNoCanary();
  EXPECT_EQ(script_->fetches_count, 2);
}

TEST_F(Canaries, AreEndedByAPinOfThePreviousVersion) {
  StartWithCanary();
  ASSERT_TRUE(loader_->Approve(2, Soon()).ok());
  PublishCanary();
  ASSERT_TRUE(loader_->Pin(1, Soon()).ok());
  EXPECT_EQ(Status().serving_version, 1U);
  ExpectNoCanary();
}

TEST_F(Canaries, AnOlderVersionThatIsPinnedAnswersAll) {
  StartWithCanary();
  ASSERT_TRUE(loader_->Approve(2, Soon()).ok());
  PublishCanary();
  ASSERT_TRUE(loader_->Approve(3, Soon()).ok());
  PublishCanary();
  ASSERT_TRUE(loader_->Pin(1, Soon()).ok()) << "it has to be opened";
  EXPECT_EQ(Status().serving_version, 1U);
  ExpectNoCanary();
  EXPECT_EQ(Listed(4).state, VersionState::kCached);
}

TEST_F(Canaries, GiveWayToANewerVersion) {
  StartWithCanary();
  PublishCanary();
  EXPECT_EQ(Status().canary_version, 3U);
  EXPECT_EQ(Status().serving_version, 1U);
  EXPECT_EQ(PercentOf(2), 0.0);
  EXPECT_NEAR(PercentOf(3), 20.0, 4.0);
  EXPECT_EQ(Listed(2).state, VersionState::kCached);
  EXPECT_TRUE(log_.WaitFor(Kind::kCanaryEnded, 2));
}

TEST_F(Canaries, GoOnWhenANewerVersionIsRejected) {
  StartWithCanary();
  store_.PublishBytes(3, store_.Bytes({.w0 = 3.0, .version = 3, .golden_error = 0.5}));
  ASSERT_TRUE(log_.WaitFor(Kind::kRejected, 3));
  EXPECT_EQ(Status().canary_version, 2U);
  EXPECT_NEAR(PercentOf(2), 20.0, 4.0);
  ASSERT_TRUE(loader_->Approve(2, Soon()).ok());
  EXPECT_EQ(Status().serving_version, 2U);
}

TEST_F(Canaries, GoOnWhenOtherContentIsPublishedUnderTheirNumber) {
  StartWithCanary();
  store_.PublishBytes(2, "something else");
  ASSERT_TRUE(log_.WaitFor(Kind::kRejected, 2));
  EXPECT_EQ(Status().canary_version, 2U);
  EXPECT_EQ(Listed(2).state, VersionState::kCanary);
}

TEST_F(Canaries, EndWhenTheStoreNamesWhatServesAgain) {
  StartWithCanary();
  const Manifest first = {.model = kModel,
                          .version = 1,
                          .size_bytes = Listed(1).size_bytes,
                          .sha256 = Listed(1).sha256};
  store_.PublishManifest(first);
  ASSERT_TRUE(log_.WaitFor(Kind::kCanaryEnded, 2));
  ExpectNoCanary();
  EXPECT_EQ(Status().serving_version, 1U);
}

TEST_F(Canaries, BeginAnewAfterARestart) {
  StartWithCanary();
  const uint64_t since = Status().canary_since_unix_us;
  Restart();
  EXPECT_EQ(Status().serving_version, 1U);
  ASSERT_TRUE(ComesToBeCanary(2));
  EXPECT_GT(Status().canary_since_unix_us, since);
  EXPECT_EQ(script_->fetches_count, 2) << "it lay in the cache";
}

TEST_F(Canaries, AreBetterThanNothingAfterARestart) {
  StartWithCanary();
  loader_.reset();
  WriteFile(store_.CachePath(WeightFileName(1)), "broken");
  std::filesystem::remove_all(store_.store());
  Start();
  EXPECT_EQ(Status().serving_version, 2U);
  ExpectNoCanary();
}

TEST_F(Canaries, KeepTheirFileHoweverFewVersionsAreKept) {
  options_.cached_versions = 2;
  StartWithCanary();
  ASSERT_TRUE(loader_->Approve(2, Soon()).ok());
  PublishCanary();
  for (uint64_t version = 1; version <= 3; ++version)
    EXPECT_TRUE(std::filesystem::exists(store_.CachePath(WeightFileName(version)))) << version;
  ASSERT_TRUE(loader_->Approve(3, Soon()).ok());
  EXPECT_TRUE(
      Eventually([&] { return !std::filesystem::exists(store_.CachePath(WeightFileName(1))); }));
}

TEST_F(Canaries, ServeWithTheCatalogueThatServes) {
  StartWithPair();
  PublishCanary();
  EXPECT_EQ(loader_->slot().Canary()->catalogue_version(), 1U);
  ASSERT_TRUE(loader_->Approve(2, Soon()).ok());
  EXPECT_TRUE(ComesToServePair(*loader_, 2, 1));
}

TEST_F(Canaries, ANewCatalogueWaitsUntilTheyEnd) {
  StartWithPair();
  PublishCanary();
  store_.PublishCatalogue({.items_count = 20});
  ASSERT_TRUE(Eventually([&] { return !Status().catalogue_error.empty(); }));
  EXPECT_EQ(Status().catalogue_error, "version 2 waits until the canary of version 2 has ended");
  WaitForPolls();
  EXPECT_EQ(Status().catalogue_version, 1U);
  ASSERT_TRUE(loader_->Approve(2, Soon()).ok());
  EXPECT_TRUE(ComesToServePair(*loader_, 2, 2)) << Status().catalogue_error;
  EXPECT_TRUE(Eventually([&] { return Status().catalogue_error.empty(); }));
}

TEST_F(Canaries, BringTheCatalogueThatFitsThem) {
  options_.rollout.canary_time = milliseconds(300);
  Start();
  ++published_;
  store_.Publish({.w0 = 1.0, .price_mean = 1.0});
  store_.PublishCatalogue({.price_mean = 1.0});
  ASSERT_TRUE(ComesToServePair(*loader_, 1, 1)) << Status().catalogue_error;
  store_.PublishCatalogue({.price_mean = 2.0});
  ASSERT_TRUE(log_.WaitFor(Kind::kRejected, 2, kCatalogue)) << "it does not fit version 1";
  store_.Publish({.w0 = 2.0, .price_mean = 2.0});
  ASSERT_TRUE(log_.WaitFor(Kind::kCanaryStarted, 2)) << Status().last_error;
  EXPECT_TRUE(ComesToServePair(*loader_, 2, 2)) << Status().last_error;
  EXPECT_EQ(Status().previous_catalogue_version, 1U);
}

TEST_F(Canaries, AHeldVersionThatIsApprovedAnswersAll) {
  options_.watch.enabled = false;  // it would roll it back
  options_.requests = {.compare = [](const Snapshot&, const Snapshot&, uint64_t,
                                     model::Checkpoint) -> absl::StatusOr<Comparison> {
                         return Comparison{.requests_count = 1000,
                                           .candidates_count = 1000,
                                           .serving_mean = 0.1,
                                           .candidate_mean = 0.1,
                                           .psi = 3.0,
                                           .correlation = 0.9};
                       },
                       .count = [](uint64_t) { return size_t{1000}; },
                       .last = [] { return uint64_t{0}; }};
  Start();
  PublishAndServe();
  PublishNext();
  ASSERT_TRUE(log_.WaitFor(Kind::kHeld, 2)) << "the gates come first";
  ExpectNoCanary();
  ASSERT_TRUE(loader_->Approve(2, Soon()).ok());
  EXPECT_EQ(Status().serving_version, 2U) << "who approves has looked at it";
  ExpectNoCanary();
}

}  // namespace
}  // namespace fmserve::loader
