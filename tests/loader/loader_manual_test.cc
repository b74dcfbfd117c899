// A rollout that waits for an operator with every version.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "tests/loader/scripted_source.h"

namespace fmserve::loader {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ManualRollout : public LoaderFixture {
 protected:
  ManualRollout() {
    options_.poll_interval = std::chrono::milliseconds(20);
    options_.rollout.mode = RolloutMode::kManual;
  }
  void TearDown() override { loader_.reset(); }  // it asks this object

  // All versions predict the same for `requests_` recent requests.
  void CompareOnRequests() {
    options_.requests = {.compare = [this](const Snapshot&, const Snapshot&, uint64_t,
                                           model::Checkpoint) -> absl::StatusOr<Comparison> {
                           return Comparison{.requests_count = requests_,
                                             .candidates_count = requests_,
                                             .serving_mean = 0.1,
                                             .candidate_mean = 0.1,
                                             .correlation = 0.9};
                         },
                         .count = [this](uint64_t) { return requests_.load(); },
                         .last = [] { return uint64_t{0}; }};
  }

  // Version 1 serves, version 2 waits.
  void StartWithWaiting() {
    Start();
    PublishAndServe();
    ASSERT_EQ(PublishNext(), 2U);
    ASSERT_TRUE(log_.WaitFor(Kind::kHeld, 2));
    ASSERT_TRUE(Eventually([&] { return Status().load_state == LoadState::kIdle; }));
  }

  std::atomic<size_t> requests_ = 1000;
};

TEST_F(ManualRollout, ServesTheFirstVersionAtOnceAndHoldsTheNextOnes) {
  StartWithWaiting();
  EXPECT_EQ(Status().serving_version, 1U);
  EXPECT_EQ(Status().held_version, 2U);
  EXPECT_EQ(Status().last_error,
            "version 2 is held: it waits for an operator: the rollout is manual");
  EXPECT_EQ(Listed(2).state, VersionState::kHeld);
  EXPECT_EQ(Listed(2).reason, "rollout: it waits for an operator: the rollout is manual");
  EXPECT_EQ(log_.events().back().reason, "rollout");
  WaitForPolls();
  EXPECT_EQ(script_->fetches_count, 2);
  EXPECT_EQ(log_.Count(Kind::kHeld), 1);
}

TEST_F(ManualRollout, ServesWhatIsApprovedAndGoesOnWaiting) {
  StartWithWaiting();
  ASSERT_TRUE(loader_->Approve(2, Soon()).ok());
  EXPECT_EQ(Status().serving_version, 2U);
  EXPECT_EQ(Status().held_version, 0U);
  PublishNext();
  ASSERT_TRUE(log_.WaitFor(Kind::kHeld, 3));
  EXPECT_EQ(Status().serving_version, 2U);
}

TEST_F(ManualRollout, GivesUpWhatIsRejected) {
  StartWithWaiting();
  ASSERT_TRUE(loader_->Reject(2, "not this one").ok());
  WaitForPolls();
  EXPECT_EQ(Listed(2).reason, "operator: not this one");
  EXPECT_EQ(log_.Count(Kind::kHeld), 1);
}

TEST_F(ManualRollout, GoesOnWaitingAfterARestart) {
  StartWithWaiting();
  Restart();
  WaitForPolls();
  EXPECT_EQ(Status().serving_version, 1U);
  EXPECT_EQ(Status().held_version, 2U);
  EXPECT_THAT(Listed(2).reason, HasSubstr("rollout: it waits"));
  ASSERT_TRUE(loader_->Approve(2, Soon()).ok());
}

TEST_F(ManualRollout, AWaitingVersionGivesWayToANewerOne) {
  StartWithWaiting();
  PublishNext();
  ASSERT_TRUE(log_.WaitFor(Kind::kHeld, 3));
  EXPECT_EQ(Status().held_version, 3U);
  EXPECT_THAT(Listed(2).reason,
              AllOf(HasSubstr("rollout: it was held"), HasSubstr("until version 3 was published")));
}

TEST_F(ManualRollout, HasTheReportOfTheShadowGate) {
  CompareOnRequests();
  StartWithWaiting();
  const absl::StatusOr<GateReport> report = loader_->GetGateReport(2);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->verdict, GateReport::Verdict::kPassed);
  EXPECT_EQ(report->serving_version, 1U);
}

TEST_F(ManualRollout, HasNoReportWithoutTheShadowGate) {
  StartWithWaiting();
  EXPECT_TRUE(absl::IsNotFound(loader_->GetGateReport(0).status()));
  EXPECT_TRUE(absl::IsNotFound(loader_->GetGateReport(2).status()));
}

TEST_F(ManualRollout, AReportOnTooFewRequestsIsMadeAgainWhenThereAreEnough) {
  CompareOnRequests();
  requests_ = 3;
  StartWithWaiting();
  EXPECT_EQ(loader_->GetGateReport(2)->verdict, GateReport::Verdict::kTooFewRequests);
  requests_ = 1000;
  EXPECT_TRUE(Eventually(
      [&] { return loader_->GetGateReport(2)->verdict == GateReport::Verdict::kPassed; }));
  EXPECT_EQ(Status().held_version, 2U);
}

TEST_F(ManualRollout, ServesWhatIsPinned) {
  StartWithWaiting();
  ASSERT_TRUE(loader_->Pin(2, Soon()).ok());
  EXPECT_EQ(Status().serving_version, 2U);
}

TEST_F(ManualRollout, CataloguesDoNotWait) {
  Start();
  PublishAndServe();
  store_.PublishCatalogue({});
  EXPECT_TRUE(ComesToServePair(*loader_, 1, 1)) << Status().catalogue_error;
}

}  // namespace
}  // namespace fmserve::loader
