// What is remembered of versions, in memory and on disk.
#include "loader/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "loader/history_file.h"
#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

using ::testing::ElementsAre;

HistoryEvent Served(uint64_t version, Artifact artifact = Artifact::kWeights) {
  return {.artifact = artifact,
          .version = version,
          .step = HistoryStep::kServed,
          .unix_us = 1000 + version,
          .who = "server",
          .why = "after version \"x\",\nsaid someone"};
}

std::vector<std::string> Listed(const History& history, size_t limit, uint64_t version = 0) {
  std::vector<std::string> names;
  for (const VersionHistory& found : history.List(limit, version))
    names.push_back(
        absl::StrCat(ArtifactName(found.artifact), " ", found.version, ": ", found.events.size()));
  return names;
}

TEST(History, EveryStepHasANameOfItsOwn) {
  for (size_t i = 0; i < kHistoryStepsCount; ++i) {
    const auto step = static_cast<HistoryStep>(i);
    EXPECT_EQ(HistoryStepOf(Name(step)), step) << Name(step);
  }
  EXPECT_EQ(HistoryStepOf("unheard of"), std::nullopt);
}

TEST(History, ListsTheHighestVersionsFirstAndWeightsBeforeTheCatalogue) {
  History history;
  for (const uint64_t version : {3, 1, 2, 3}) history.Record(Served(version));
  history.Record(Served(3, kCatalogue));
  EXPECT_THAT(Listed(history, 3), ElementsAre("weights 3: 2", "catalogue 3: 1", "weights 2: 1"));
  EXPECT_THAT(Listed(history, 9, 1), ElementsAre("weights 1: 1"));
  EXPECT_THAT(Listed(history, 9, 7), ElementsAre());
}

TEST(History, AFailureThatGoesOnIsOneEvent) {
  History history;
  const HistoryEvent failed{.version = 2, .step = HistoryStep::kFailed, .who = "server"};
  EXPECT_TRUE(history.Record(failed));
  history.Record(Served(1));
  EXPECT_FALSE(history.Record(failed));
  history.Record(Served(2));
  EXPECT_TRUE(history.Record(failed)) << "it failed again";
}

TEST(History, ForgetsTheOldestEvents) {
  History history;
  for (uint64_t version = 1; version <= kMaxHistoryEvents + 2; ++version)
    history.Record(Served(version));
  EXPECT_EQ(history.events().size(), kMaxHistoryEvents);
  EXPECT_EQ(history.events().front().version, 3U);
}

TEST(History, CutsLongReasonsOffBetweenCharacters) {
  History history;
  HistoryEvent event = Served(1);
  event.why = "x";
  for (size_t i = 0; i < kMaxHistoryWhyBytes; ++i) event.why += "ä";  // two bytes each
  EXPECT_EQ(history.Record(event)->why.size(), kMaxHistoryWhyBytes - 1);
}

TEST(History, KnowsWhatWasPublished) {
  History history;
  history.Record(Served(1));
  EXPECT_FALSE(history.KnowsPublished(Artifact::kWeights, 1));
  history.Record({.version = 1, .step = HistoryStep::kPublished});
  EXPECT_TRUE(history.KnowsPublished(Artifact::kWeights, 1));
  EXPECT_FALSE(history.KnowsPublished(kCatalogue, 1));
}

class HistoryFileTest : public testing::Test {
 protected:
  std::vector<HistoryEvent> LoadAgain() const { return HistoryFile(folder_.path()).Load().value(); }
  std::string path() const { return folder_.Path("history.jsonl"); }

  TestFolder folder_;
  HistoryFile file_{folder_.path()};
};

TEST_F(HistoryFileTest, GivesBackWhatWasAppended) {
  EXPECT_TRUE(LoadAgain().empty());
  const std::vector<HistoryEvent> events = {Served(1), Served(2, kCatalogue)};
  ASSERT_TRUE(file_.Append({&events[0], 1}).ok());
  ASSERT_TRUE(file_.Append({&events[1], 1}).ok());
  EXPECT_EQ(LoadAgain(), events);
}

TEST_F(HistoryFileTest, LeavesOutWhatIsNoEventAndSetsTheFileAside) {
  ASSERT_TRUE(file_.Append(std::vector<HistoryEvent>{Served(1), Served(2)}).ok());
  const std::string good = ReadFile(path());
  const std::string damaged = good + "nonsense\n" +
                              R"({"unix_us":1,"artifact":"weights","version":0})" +
                              "\n{\"unix_us\":1,";
  WriteFile(path(), damaged);
  EXPECT_THAT(LoadAgain(), ElementsAre(Served(1), Served(2)));
  EXPECT_EQ(ReadFile(path()), good);
  EXPECT_EQ(ReadFile(path() + ".damaged"), damaged);
}

TEST_F(HistoryFileTest, IsRewrittenBeforeItHoldsTwiceAsMuchAsIsKept) {
  std::vector<HistoryEvent> events;
  for (uint64_t version = 1; version <= 2 * kMaxHistoryEvents; ++version)
    events.push_back(Served(version));
  ASSERT_TRUE(file_.Append(events).ok());
  EXPECT_FALSE(file_.IsFull(0));
  EXPECT_TRUE(file_.IsFull(1));
  HistoryFile again(folder_.path());
  const std::vector<HistoryEvent> kept = again.Load().value();
  EXPECT_EQ(kept.size(), kMaxHistoryEvents);
  EXPECT_EQ(kept.back(), events.back());
  EXPECT_TRUE(again.IsFull(1)) << "the file is as long as it was";
  ASSERT_TRUE(again.Rewrite(kept).ok());
  EXPECT_FALSE(again.IsFull(1));
  EXPECT_EQ(LoadAgain(), kept);
}

TEST_F(HistoryFileTest, AppendingToAFolderThatIsGoneFailsAndSaysWhere) {
  HistoryFile lost(folder_.Path("nowhere"));
  const absl::Status status = lost.Append(std::vector<HistoryEvent>{Served(1)});
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("nowhere/history.jsonl"));
}

}  // namespace
}  // namespace fmserve::loader
