// What a loader remembers of each version: when, who and why.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/loader/scripted_source.h"

namespace fmserve::loader {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class LoaderHistory : public LoaderFixture {
 protected:
  void TearDown() override { loader_.reset(); }

  std::vector<HistoryEvent> Events(uint64_t version, Artifact artifact = Artifact::kWeights) const {
    for (const VersionHistory& history : loader_->GetHistory(100, version)) {
      if (history.artifact == artifact) return history.events;
    }
    return {};
  }
  // "step by who"
  std::vector<std::string> Steps(uint64_t version, Artifact artifact = Artifact::kWeights) const {
    std::vector<std::string> steps;
    for (const HistoryEvent& event : Events(version, artifact))
      steps.push_back(absl::StrCat(std::string(Name(event.step)), " by ", event.who));
    return steps;
  }
};

TEST_F(LoaderHistory, FollowsAVersionFromItsPublicationToItsEnd) {
  Start();
  PublishAndServe();
  PublishAndServe();
  EXPECT_THAT(Steps(1), ElementsAre("published by publisher", "fetched by server",
                                    "gated by server", "served by server", "ended by server"));
  EXPECT_EQ(Events(1)[1].why, "the whole file");
  EXPECT_THAT(Events(1)[2].why, HasSubstr("golden"));
  EXPECT_EQ(Events(1)[4].why, "version 2 serves");
  EXPECT_EQ(Events(2)[3].why, "after version 1");
  uint64_t last_us = 0;
  for (const HistoryEvent& event : Events(1)) {
    EXPECT_GE(event.unix_us, last_us) << Name(event.step);
    last_us = event.unix_us;
  }
}

TEST_F(LoaderHistory, NamesTheOperatorWhoPulledALever) {
  Start();
  PublishAndServe();
  PublishAndServe();
  ASSERT_TRUE(loader_->Rollback("operator ann").ok());
  EXPECT_EQ(Steps(2).back(), "ended by operator ann");
  EXPECT_EQ(Events(2).back().why, "rolled back: version 1 serves");
  EXPECT_EQ(Steps(1).back(), "served by operator ann");
  ASSERT_TRUE(loader_->Pin(2, Soon(), "operator bob").ok());
  EXPECT_THAT(Steps(2), Contains("served by operator bob"));
  EXPECT_EQ(Steps(2).back(), "pinned by operator bob");
  ASSERT_TRUE(loader_->Unpin("operator cy").ok());
  EXPECT_EQ(Steps(2).back(), "unpinned by operator cy");
}

TEST_F(LoaderHistory, AVersionThatIsPinnedFromTheStoreIsServedByWhoPinnedIt) {
  options_.cached_versions = 2;
  Start();
  for (int i = 0; i < 4; ++i) PublishAndServe();
  ASSERT_TRUE(loader_->Pin(1, Soon(), "operator bob").ok());
  const std::vector<std::string> steps = Steps(1);
  EXPECT_THAT(std::vector(steps.end() - 4, steps.end()),
              ElementsAre("fetched by server", "gated by server", "served by operator bob",
                          "pinned by operator bob"));
}

TEST_F(LoaderHistory, NamesTheGateThatRejected) {
  Start();
  PublishAndServe();
  store_.PublishBytes(2, store_.Bytes({.w0 = 2.0, .version = 2, .golden_error = 0.5}));
  ASSERT_TRUE(log_.WaitFor(Kind::kRejected, 2));
  EXPECT_THAT(Steps(2), ElementsAre("published by publisher", "fetched by server",
                                    "rejected by gate golden"));
  EXPECT_FALSE(Events(2).back().why.empty());
}

TEST_F(LoaderHistory, TellsWhatWasHeldApprovedAndRejected) {
  options_.rollout.mode = RolloutMode::kManual;
  Start();
  PublishAndServe();
  PublishNext();
  ASSERT_TRUE(log_.WaitFor(Kind::kHeld, 2));
  EXPECT_EQ(Steps(2).back(), "held by gate rollout");
  ASSERT_TRUE(loader_->Approve(2, Soon(), "operator ann").ok());
  EXPECT_THAT(Steps(2), Contains("approved by operator ann"));
  EXPECT_EQ(Steps(2).back(), "served by operator ann");
  PublishNext();
  ASSERT_TRUE(log_.WaitFor(Kind::kHeld, 3));
  ASSERT_TRUE(loader_->Reject(3, "not this one", "operator bob").ok());
  EXPECT_EQ(Steps(3).back(), "rejected by operator bob");
  EXPECT_EQ(Events(3).back().why, "not this one");
}

TEST_F(LoaderHistory, TellsOfACanary) {
  options_.rollout = {
      .mode = RolloutMode::kCanary, .canary_percent = 10.0, .canary_time = std::chrono::hours(1)};
  Start();
  PublishAndServe();
  PublishNext();
  ASSERT_TRUE(log_.WaitFor(Kind::kCanaryStarted, 2));
  EXPECT_EQ(Steps(2).back(), "canary by server");
  ASSERT_TRUE(loader_->Rollback("operator ann").ok());
  EXPECT_EQ(Steps(2).back(), "canary_ended by operator ann");
}

TEST_F(LoaderHistory, ThePairOfWeightsAndCatalogueHasAHistoryEach) {
  Start();
  PublishAndServe();
  store_.PublishCatalogue({});
  ASSERT_TRUE(ComesToServePair(*loader_, 1, 1)) << Status().catalogue_error;
  EXPECT_THAT(Steps(1, kCatalogue), ElementsAre("published by publisher", "fetched by server",
                                                "gated by server", "served by server"));
  EXPECT_EQ(Steps(1).back(), "served by server");
}

TEST_F(LoaderHistory, OutlastsARestart) {
  Start();
  PublishAndServe();
  PublishAndServe();
  const std::vector<HistoryEvent> before = Events(1);
  Restart();
  EXPECT_EQ(Events(1), before);
  const std::vector<std::string> steps = Steps(2);
  EXPECT_THAT(std::vector(steps.end() - 3, steps.end()),
              ElementsAre("served by server", "ended by server", "served by server"));
  EXPECT_EQ(Events(2).back().why, "from the cache, after a start");
  EXPECT_THAT(steps[0], StartsWith("published")) << "and once only";
  EXPECT_EQ(std::ranges::count(steps, "published by publisher"), 1);
}

TEST_F(LoaderHistory, AFolderInPlaceOfTheFileCostsTheHistoryAndNothingElse) {
  std::filesystem::create_directories(store_.CachePath("history.jsonl"));
  Start();
  PublishAndServe();
  EXPECT_EQ(Steps(1).back(), "served by server");
  EXPECT_TRUE(log_.WaitFor(Kind::kFailed, 0));
}

}  // namespace
}  // namespace fmserve::loader
