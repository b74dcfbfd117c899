// Versions that the shadow gate holds, and what operators do with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>

#include "tests/loader/scripted_source.h"

namespace fmserve::loader {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint64_t kFirstBroken = 100;

class Holds : public LoaderFixture {
 protected:
  Holds() {
    options_.poll_interval = std::chrono::milliseconds(20);
    options_.requests = {
        .compare = [this](const Snapshot& serving, const Snapshot& candidate, uint64_t /*after*/,
                          model::Checkpoint checkpoint) -> absl::StatusOr<Comparison> {
          ++compared_;
          EXPECT_TRUE(Eventually([&] { return !comparing_waits_; }));
          if (absl::Status status = checkpoint(); !status.ok()) return status;
          EXPECT_NE(serving.version(), candidate.version());
          // Versions whose score is at least kFirstBroken are.
          const bool broken = EmptyScore(candidate) >= static_cast<float>(kFirstBroken);
          return Comparison{.requests_count = requests_,
                            .candidates_count = requests_,
                            .serving_mean = 0.1,
                            .candidate_mean = 0.1,
                            .psi = broken ? 3.0 : 0.01,
                            .correlation = 0.9};
        },
        .count = [this](uint64_t /*after*/) { return requests_.load(); },
        .last = [] { return uint64_t{0}; }};
    options_.watch.enabled = false;
  }

  void TearDown() override { loader_.reset(); }  // it asks this object

  uint64_t PublishBroken() {
    ++published_;
    const uint64_t version =
        store_.Publish({.w0 = static_cast<double>(kFirstBroken + published_)}).version;
    EXPECT_EQ(version, published_);
    return version;
  }

  // Version 1 serves, version 2 is held.
  void StartWithHeld() {
    Start();
    PublishAndServe();
    ASSERT_EQ(PublishBroken(), 2U);
    ASSERT_TRUE(log_.WaitFor(Kind::kHeld, 2));
    ASSERT_TRUE(Eventually([&] { return Status().load_state == LoadState::kIdle; }));
  }

  uint64_t ResultCount(const std::string& gate, const std::string& result) const {
    for (const GateResultCount& count : Status().gate_results) {
      if (count.gate == gate && count.result == result) return count.count;
    }
    return 0;
  }

  std::atomic<size_t> requests_ = 1000;
  std::atomic<int> compared_ = 0;
  std::atomic<bool> comparing_waits_ = false;
};

TEST_F(Holds, KeepServingWhatServedAndSayWhy) {
  StartWithHeld();
  EXPECT_EQ(Status().serving_version, 1U);
  EXPECT_EQ(Status().held_version, 2U);
  EXPECT_THAT(Status().last_error, HasSubstr("version 2 is held: psi is 3"));
  EXPECT_EQ(Listed(2).state, VersionState::kHeld);
  EXPECT_THAT(Listed(2).reason, HasSubstr("shadow: psi is 3"));
  EXPECT_TRUE(std::filesystem::exists(store_.CachePath(WeightFileName(2))));
  EXPECT_EQ(ResultCount("shadow", "held"), 1U);
  EXPECT_EQ(ResultCount("golden", "passed"), 2U);
}

TEST_F(Holds, AreNotLoadedAgainAndAgain) {
  StartWithHeld();
  WaitForPolls();
  WaitForPolls();
  EXPECT_EQ(compared_, 1);
  EXPECT_EQ(log_.Count(Kind::kHeld), 1);
}

TEST_F(Holds, KeepTheirReport) {
  StartWithHeld();
  const absl::StatusOr<GateReport> report = loader_->GetGateReport(0);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->version, 2U);
  EXPECT_EQ(report->serving_version, 1U);
  EXPECT_EQ(report->verdict, GateReport::Verdict::kHeld);
  EXPECT_EQ(loader_->GetGateReport(2)->measures, report->measures);
  EXPECT_TRUE(absl::IsNotFound(loader_->GetGateReport(7).status()));
}

TEST_F(Holds, SurviveARestartWithTheirReport) {
  StartWithHeld();
  Restart();
  WaitForPolls();
  EXPECT_EQ(Status().serving_version, 1U);
  EXPECT_EQ(Status().held_version, 2U);
  EXPECT_EQ(Listed(2).state, VersionState::kHeld);
  EXPECT_EQ(loader_->GetGateReport(2)->serving_version, 1U);
  EXPECT_EQ(compared_, 1);
  ASSERT_TRUE(loader_->Approve(2, Soon()).ok());
  EXPECT_EQ(Status().serving_version, 2U);
}

TEST_F(Holds, ServeWhenTheyAreApprovedAndCanBeRolledBack) {
  StartWithHeld();
  ASSERT_TRUE(loader_->Approve(2, Soon()).ok());
  EXPECT_EQ(Status().serving_version, 2U);
  EXPECT_EQ(Status().held_version, 0U);
  EXPECT_EQ(Status().pinned_version, 0U) << "the next version is to be loaded";
  EXPECT_TRUE(log_.WaitFor(Kind::kApproved, 2));
  EXPECT_EQ(script_->fetches_count, 2) << "it lay in the cache";
  EXPECT_EQ(ResultCount("operator", "approved"), 1U);
  ASSERT_TRUE(loader_->Rollback().ok());
  EXPECT_EQ(Status().serving_version, 1U);
}

TEST_F(Holds, AreGivenUpWhenTheyAreRejectedUntilAReloadAsksForThem) {
  StartWithHeld();
  ASSERT_TRUE(loader_->Reject(2, "trained on last year's log").ok());
  EXPECT_EQ(Status().held_version, 0U);
  EXPECT_EQ(Listed(2).state, VersionState::kRejected);
  EXPECT_EQ(Listed(2).reason, "operator: trained on last year's log");
  EXPECT_TRUE(log_.WaitFor(Kind::kRejected, 2));
  EXPECT_TRUE(
      Eventually([&] { return !std::filesystem::exists(store_.CachePath(WeightFileName(2))); }));
  WaitForPolls();
  EXPECT_EQ(script_->fetches_count, 2);
  Restart();
  WaitForPolls();
  EXPECT_EQ(script_->fetches_count, 2);
  EXPECT_THAT(std::string(loader_->Reload(Soon()).message()), HasSubstr("version 2 is held"));
  EXPECT_EQ(script_->fetches_count, 3);
}

TEST_F(Holds, EndWhenANewerVersionServes) {
  StartWithHeld();
  PublishAndServe();
  EXPECT_EQ(Status().held_version, 0U);
  EXPECT_EQ(Status().last_error, "");
  EXPECT_THAT(Listed(2).reason, AllOf(HasSubstr("shadow: it was held (psi is 3"),
                                      HasSubstr("until version 3 was published")));
  EXPECT_TRUE(absl::IsFailedPrecondition(loader_->Approve(2, Soon())));
}

TEST_F(Holds, GiveWayToANewerVersionThatIsHeld) {
  StartWithHeld();
  PublishBroken();
  ASSERT_TRUE(log_.WaitFor(Kind::kHeld, 3));
  EXPECT_EQ(Status().held_version, 3U);
  EXPECT_EQ(Listed(2).state, VersionState::kRejected);
  EXPECT_THAT(Status().last_error, HasSubstr("version 3 is held"));
}

TEST_F(Holds, ServeWhenTheyArePinned) {
  StartWithHeld();
  ASSERT_TRUE(loader_->Pin(2, Soon()).ok());
  EXPECT_EQ(Status().serving_version, 2U);
  EXPECT_EQ(Status().held_version, 0U);
  EXPECT_EQ(compared_, 1) << "an operator who names a version knows";
}

TEST_F(Holds, ServeWhenTheyArePinnedWhileTheyAreJudged) {
  Start();
  PublishAndServe();
  comparing_waits_ = true;
  PublishBroken();
  ASSERT_TRUE(Eventually([&] { return compared_ == 1; }));
  auto pinned = std::async(std::launch::async, [&] { return loader_->Pin(2, Soon()); });
  pinned.wait_for(std::chrono::milliseconds(50));
  comparing_waits_ = false;
  const absl::Status status = pinned.get();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Status().serving_version, 2U);
  EXPECT_EQ(Status().held_version, 0U);
}

TEST_F(Holds, AreOnlyApprovedOrRejectedByTheirNumberAndWithAReason) {
  StartWithHeld();
  EXPECT_THAT(std::string(loader_->Approve(1, Soon()).message()),
              HasSubstr("version 1 is not held; version 2 is"));
  EXPECT_TRUE(absl::IsFailedPrecondition(loader_->Reject(9, "why not")));
  EXPECT_TRUE(absl::IsInvalidArgument(loader_->Reject(2, "")));
  EXPECT_TRUE(absl::IsInvalidArgument(loader_->Reject(2, std::string(kMaxReasonBytes + 1, 'x'))));
  ASSERT_TRUE(loader_->Pin(1, Soon()).ok());
  EXPECT_THAT(std::string(loader_->Approve(2, Soon()).message()), HasSubstr("1 is pinned"));
  EXPECT_EQ(Status().held_version, 2U);
}

TEST_F(Holds, AreTheLastToServeAfterARestart) {
  StartWithHeld();
  loader_.reset();
  WriteFile(store_.CachePath(WeightFileName(1)), "broken");
  std::filesystem::remove_all(store_.store());
  Start();
  EXPECT_EQ(Status().serving_version, 2U) << "better than nothing";
  EXPECT_EQ(Status().held_version, 0U);
}

TEST_F(Holds, AreJudgedAgainByAReload) {
  StartWithHeld();
  EXPECT_FALSE(loader_->Reload(Soon()).ok());
  EXPECT_EQ(compared_, 2);
  EXPECT_EQ(Status().held_version, 2U);
}

TEST_F(Holds, TheFirstVersionIsComparedWithNothing) {
  Start();
  PublishBroken();
  ASSERT_TRUE(ComesToServe(*loader_, 1));
  EXPECT_EQ(compared_, 0);
  EXPECT_TRUE(absl::IsNotFound(loader_->GetGateReport(0).status()));
}

TEST_F(Holds, TooFewRequestsLetAVersionThroughAndTheReportSaysSo) {
  requests_ = 3;
  Start();
  PublishAndServe();
  PublishBroken();
  ASSERT_TRUE(ComesToServe(*loader_, 2));
  EXPECT_EQ(loader_->GetGateReport(2)->verdict, GateReport::Verdict::kTooFewRequests);
  EXPECT_EQ(ResultCount("shadow", "too_few_requests"), 1U);
}

TEST_F(Holds, TooFewRequestsHoldAVersionUntilThereAreEnoughIfAskedTo) {
  options_.shadow.hold_on_too_few_requests = true;
  requests_ = 3;
  Start();
  PublishAndServe();
  PublishNext();
  ASSERT_TRUE(log_.WaitFor(Kind::kHeld, 2));
  WaitForPolls();
  EXPECT_EQ(compared_, 1);
  requests_ = 1000;
  EXPECT_TRUE(ComesToServe(*loader_, 2));
  EXPECT_EQ(Status().held_version, 0U);
}

TEST_F(Holds, AGateThatIsSwitchedOffDoesNotCompare) {
  options_.shadow.enabled = false;
  Start();
  PublishAndServe();
  PublishBroken();
  ASSERT_TRUE(ComesToServe(*loader_, 2));
  EXPECT_EQ(compared_, 0);
}

}  // namespace
}  // namespace fmserve::loader
