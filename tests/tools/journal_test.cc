#include "tools/tune/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"

namespace fmserve::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using trainer::TrialResult;

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() : path_(absl::StrCat(::testing::TempDir(), "journal_", getpid(), ".jsonl")) {
    std::filesystem::remove(path_);
  }
  ~JournalTest() override { std::filesystem::remove(path_); }

  absl::StatusOr<Journal> Open(const std::string& space = "k: 8") const {
    return Journal::Open(path_, {{"--space", space}, {"--seed", "1"}});
  }

  static TrialResult Result(uint32_t trial, uint32_t rung, std::optional<double> metric) {
    return {.job = {.trial = trial, .rung = rung},
            .epochs = 3,
            .best_epoch = 2,
            .metric = metric,
            .seconds = 0.25};
  }

  std::string Text() const {
    std::ifstream in(path_);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::string path_;
};

TEST_F(JournalTest, ResultsSurviveTheirProcessToTheLastBit) {
  {
    auto journal = Open();
    ASSERT_TRUE(journal.ok()) << journal.status();
    EXPECT_EQ(journal->size(), 0U);
    ASSERT_TRUE(journal->Add(Result(0, 0, 1.0 / 3.0)).ok());
    ASSERT_TRUE(journal->Add(Result(7, 2, std::nullopt)).ok());
  }
  const auto journal = Open();
  ASSERT_TRUE(journal.ok()) << journal.status();
  EXPECT_EQ(journal->size(), 2U);
  ASSERT_NE(journal->Find({.trial = 0, .rung = 0}), nullptr);
  EXPECT_EQ(*journal->Find({.trial = 0, .rung = 0}), Result(0, 0, 1.0 / 3.0));
  EXPECT_EQ(*journal->Find({.trial = 7, .rung = 2}), Result(7, 2, std::nullopt));
  EXPECT_EQ(journal->Find({.trial = 7, .rung = 1}), nullptr);
}

TEST_F(JournalTest, WhereverItIsCutTheWholeLinesCountAndItGoesOn) {
  {
    auto journal = Open();
    for (uint32_t trial = 0; trial < 3; ++trial)
      ASSERT_TRUE(journal->Add(Result(trial, 0, 0.5)).ok());
  }
  const std::string whole = Text();
  for (size_t size = 0; size <= whole.size(); ++size) {
    std::ofstream(path_, std::ios::trunc) << whole.substr(0, size);
    const std::string kept = whole.substr(0, size);
    const auto lines = std::count(kept.begin(), kept.end(), '\n');
    auto journal = Open();
    ASSERT_TRUE(journal.ok()) << journal.status() << " cut to " << size;
    EXPECT_EQ(journal->size(), static_cast<size_t>(lines > 0 ? lines - 1 : 0));
    for (uint32_t trial = 0; trial < 3; ++trial)
      ASSERT_TRUE(journal->Add(Result(trial, 0, 0.5)).ok());
    EXPECT_EQ(Text(), whole) << "cut to " << size;
  }
}

TEST_F(JournalTest, WhatIsNoLineEndsIt) {
  { ASSERT_TRUE(Open()->Add(Result(0, 0, 0.5)).ok()); }
  std::ofstream(path_, std::ios::app) << std::string("\0\0\n", 3) << "{\"trial\": 5}\n";
  EXPECT_EQ(Open()->size(), 1U);
  EXPECT_THAT(Text(), Not(HasSubstr("\"trial\": 5")));
}

TEST_F(JournalTest, AResultCountsOnce) {
  {
    auto journal = Open();
    ASSERT_TRUE(journal->Add(Result(0, 0, 0.5)).ok());
    ASSERT_TRUE(journal->Add(Result(0, 0, 0.25)).ok());
  }
  EXPECT_EQ(*Open()->Find({.trial = 0, .rung = 0}), Result(0, 0, 0.5));
}

TEST_F(JournalTest, AnotherSearchIsRefusedAndWhatDiffersIsNamed) {
  { ASSERT_TRUE(Open().ok()); }
  const auto other = Open("k: 16");
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status()));
  EXPECT_THAT(std::string(other.status().message()),
              AllOf(HasSubstr(path_), HasSubstr("something else as --space;")));
  std::ofstream(path_, std::ios::trunc) << "{\"kind\": \"diary\"}\n";
  EXPECT_TRUE(absl::IsInvalidArgument(Open().status()));
  std::ofstream(path_, std::ios::trunc) << "[]\n";
  EXPECT_TRUE(absl::IsInvalidArgument(Open().status()));
}

TEST_F(JournalTest, OneProcessAtATime) {
  const auto first = Open();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(absl::IsUnavailable(Open().status()));
}

TEST_F(JournalTest, RemembersWhatWasPublishedWhere) {
  const PublishedTrial published = {
      .store = "s3://a/b", .model = "ctr", .trial = 4, .epochs = 9, .version = 12};
  {
    auto journal = Open();
    EXPECT_EQ(journal->FindPublished(published), std::nullopt);
    ASSERT_TRUE(journal->AddPublished(published).ok());
  }
  const auto journal = Open();
  EXPECT_EQ(journal->FindPublished(published), 12U);
  PublishedTrial other = published;
  other.trial = 5;
  EXPECT_EQ(journal->FindPublished(other), std::nullopt);
}

}  // namespace
}  // namespace fmserve::tools
