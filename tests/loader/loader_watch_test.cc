// Versions that turn out to be broken when they serve.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/loader/scripted_source.h"

namespace fmserve::loader {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr uint64_t kFirstBroken = 100;  // versions whose score is at least that are
constexpr size_t kRequestsBefore = 1000;

class Watched : public LoaderFixture {
 protected:
  Watched() {
    options_.poll_interval = milliseconds(20);
    options_.watch = {.window = milliseconds(3'600'000), .min_requests = 10};
    options_.requests = {
        .compare = [this](const Snapshot& serving, const Snapshot& candidate, uint64_t after,
                          model::Checkpoint checkpoint) -> absl::StatusOr<Comparison> {
          if (absl::Status status = checkpoint(); !status.ok()) return status;
          EXPECT_NE(serving.version(), candidate.version());
          // The gate sees nothing wrong: that is what the requests of later are for.
          const bool broken =
              after >= kRequestsBefore && EmptyScore(candidate) >= static_cast<float>(kFirstBroken);
          const size_t count = requests_ - after;
          return Comparison{.requests_count = count,
                            .candidates_count = count,
                            .serving_mean = 0.1,
                            .candidate_mean = 0.1,
                            .psi = broken ? 3.0 : 0.01,
                            .correlation = 0.9};
        },
        .count = [this](uint64_t after) { return requests_ - after; },
        .last = [this] { return requests_.load(); },
        .counted =
            [this](uint64_t version) {
              LiveCounts counts{.requests_count = 1000, .scores_count = 1000};
              if (version == broken_counts_of_) counts.requests_count = 2000;
              if (version == broken_counts_of_) counts.scores_count = 2000;
              if (version == broken_counts_of_) counts.non_finite_count = 1000;
              return counts;
            }};
  }

  void TearDown() override { loader_.reset(); }  // it asks this object

  // Serves a version that the gate lets pass and that is broken.
  uint64_t ServeBroken() {
    const uint64_t version = ++published_;
    EXPECT_EQ(store_.Publish({.w0 = static_cast<double>(kFirstBroken + version)}).version, version);
    EXPECT_TRUE(Eventually([&] { return Status().serving_version == version; }));
    return version;
  }

  void Ask(size_t requests) { requests_ += requests; }

  void StartWithOne() {
    Start();
    PublishAndServe();
  }

  // Version 2 was rolled back: 1 serves.
  void StartWithRollback() {
    StartWithOne();
    ASSERT_EQ(ServeBroken(), 2U);
    Ask(10);
    ASSERT_TRUE(log_.WaitFor(Kind::kRolledBack, 1));
  }

  std::atomic<uint64_t> requests_ = kRequestsBefore;
  std::atomic<uint64_t> broken_counts_of_ = 0;
};

TEST_F(Watched, AreRolledBackWhenTheyPredictSomethingElse) {
  StartWithOne();
  ASSERT_EQ(ServeBroken(), 2U);
  EXPECT_EQ(Status().watched_version, 2U);
  Ask(9);
  WaitForPolls();
  EXPECT_EQ(Status().serving_version, 2U) << "nine requests are too few to tell";
  Ask(1);
  ASSERT_TRUE(log_.WaitFor(Kind::kRolledBack, 1));
  EXPECT_EQ(Serving()->version(), 1U);
  EXPECT_EQ(Status().automatic_rollbacks_count, 1U);
  EXPECT_EQ(Status().watched_version, 0U);
  EXPECT_THAT(Status().last_error, HasSubstr("version 2"));
  EXPECT_EQ(Listed(2).state, VersionState::kRejected);
  EXPECT_THAT(Listed(2).reason, HasSubstr("watch: psi is 3"));
  EXPECT_EQ(log_.Count(Kind::kRolledBack), 1);
  EXPECT_EQ(log_.Count(Kind::kRejected), 0) << "one event tells it all";
  EXPECT_EQ(loader_->GetGateReport(2)->verdict, GateReport::Verdict::kHeld);
}

TEST_F(Watched, DoNotComeBackOnTheirOwnNorAfterARestart) {
  StartWithRollback();
  WaitForPolls();
  EXPECT_EQ(Status().serving_version, 1U);
  Restart();
  WaitForPolls();
  EXPECT_EQ(Status().serving_version, 1U);
}

TEST_F(Watched, AreRolledBackForScoresThatAreNoNumbers) {
  options_.requests.compare = nullptr;
  StartWithOne();
  PublishAndServe();
  broken_counts_of_ = 2;
  ASSERT_TRUE(log_.WaitFor(Kind::kRolledBack, 1));
  EXPECT_THAT(Listed(2).reason, HasSubstr("watch: live_non_finite"));
}

TEST_F(Watched, StayWhenTheVersionBeforeWasRolledBackToo) {
  StartWithRollback();
  ASSERT_EQ(ServeBroken(), 3U);
  Ask(10);
  ASSERT_TRUE(log_.WaitFor(Kind::kWatchFailed, 3));
  WaitForPolls();
  EXPECT_EQ(Status().serving_version, 3U);
  EXPECT_TRUE(Status().watch_is_failing);
  EXPECT_EQ(Status().automatic_rollbacks_count, 1U);
  Ask(100);
  WaitForPolls();
  EXPECT_EQ(log_.Count(Kind::kWatchFailed), 1) << "once a minute is enough";
  ASSERT_TRUE(loader_->Rollback().ok());
  EXPECT_EQ(Status().serving_version, 1U);
  EXPECT_FALSE(Status().watch_is_failing);
}

TEST_F(Watched, StayAlsoWhenARestartCameInBetween) {
  StartWithRollback();
  WaitForPolls();
  Restart();
  ASSERT_EQ(ServeBroken(), 3U);
  Ask(10);
  ASSERT_TRUE(log_.WaitFor(Kind::kWatchFailed, 3));
  EXPECT_EQ(Status().serving_version, 3U);
}

TEST_F(Watched, AreRolledBackAgainAfterOneThatPassed) {
  options_.watch.window = milliseconds(2000);
  StartWithRollback();
  PublishAndServe();
  Ask(10);
  ASSERT_TRUE(log_.WaitFor(Kind::kWatchPassed, 3));
  EXPECT_EQ(Status().watched_version, 0U);
  ASSERT_EQ(ServeBroken(), 4U);
  Ask(10);
  ASSERT_TRUE(log_.WaitFor(Kind::kRolledBack, 3));
}

TEST_F(Watched, AreComparedOnAllTheirRequestsBeforeTheyPass) {
  options_.watch.window = milliseconds(2000);
  StartWithOne();
  const uint64_t version = ++published_;
  store_.Publish({.w0 = static_cast<double>(version)});
  ASSERT_TRUE(Eventually([&] { return Status().serving_version == version; }));
  Ask(10);
  ASSERT_TRUE(log_.WaitFor(Kind::kWatchPassed, version));
  EXPECT_THAT(log_.events().back().detail, HasSubstr("10 of its requests answered by both"));
}

TEST_F(Watched, DoNotPassBeforeThereAreRequestsEnough) {
  options_.watch.window = milliseconds(100);
  StartWithOne();
  PublishAndServe();
  Ask(9);
  std::this_thread::sleep_for(milliseconds(300));
  EXPECT_EQ(Status().watched_version, 2U);
  Ask(1);
  ASSERT_TRUE(log_.WaitFor(Kind::kWatchPassed, 2));
}

TEST_F(Watched, AreNotWatchedWhenTheyArePinned) {
  StartWithOne();
  const uint64_t version = ServeBroken();
  ASSERT_TRUE(loader_->Pin(version, Soon()).ok());
  EXPECT_EQ(Status().watched_version, 0U);
  Ask(10);
  WaitForPolls();
  EXPECT_EQ(Status().serving_version, version);
}

TEST_F(Watched, AreWatchedNoMoreWhenAnOperatorRollsBack) {
  StartWithOne();
  ASSERT_EQ(ServeBroken(), 2U);
  ASSERT_TRUE(loader_->Rollback().ok());
  Ask(10);
  WaitForPolls();
  EXPECT_EQ(Status().serving_version, 1U);
  EXPECT_EQ(Status().watched_version, 0U);
  EXPECT_EQ(Status().automatic_rollbacks_count, 0U);
}

TEST_F(Watched, GoBackTogetherWithTheirCatalogue) {
  options_.watch.min_requests = 10;
  StartWithPair();
  ASSERT_EQ(ServeBroken(), 2U);
  EXPECT_EQ(Serving()->catalogue_version(), 1U);
  Ask(10);
  ASSERT_TRUE(log_.WaitFor(Kind::kRolledBack, 1));
  EXPECT_EQ(Serving()->version(), 1U);
  EXPECT_EQ(Serving()->catalogue_version(), 1U);
}

TEST_F(Watched, CanariesAreRejectedBeforeTheyServeAll) {
  options_.rollout = {
      .mode = RolloutMode::kCanary, .canary_percent = 50.0, .canary_time = milliseconds(3'600'000)};
  StartWithOne();
  store_.Publish({.w0 = static_cast<double>(kFirstBroken)});
  ASSERT_TRUE(log_.WaitFor(Kind::kCanaryStarted, 2));
  EXPECT_EQ(Status().watched_version, 2U);
  Ask(10);
  ASSERT_TRUE(log_.WaitFor(Kind::kRejected, 2));
  EXPECT_EQ(Status().serving_version, 1U);
  EXPECT_EQ(Status().canary_version, 0U);
  EXPECT_EQ(Status().automatic_rollbacks_count, 0U) << "it never served all";
  EXPECT_THAT(Listed(2).reason, HasSubstr("watch: psi is 3"));
  WaitForPolls();
  EXPECT_EQ(log_.Count(Kind::kCanaryStarted), 1);
}

TEST_F(Watched, CanariesThatPassAreWatchedAgainWhenTheyServeAll) {
  options_.rollout = {
      .mode = RolloutMode::kCanary, .canary_percent = 50.0, .canary_time = milliseconds(1500)};
  StartWithOne();
  store_.Publish({.w0 = static_cast<double>(kFirstBroken)});
  ASSERT_TRUE(log_.WaitFor(Kind::kPublished, 2)) << "too few requests came while it was the canary";
  EXPECT_EQ(Status().watched_version, 2U);
  Ask(10);
  ASSERT_TRUE(log_.WaitFor(Kind::kRolledBack, 1));
}

TEST_F(Watched, TheFirstVersionIsNot) {
  StartWithOne();
  EXPECT_EQ(Status().watched_version, 0U);
}

}  // namespace
}  // namespace fmserve::loader
