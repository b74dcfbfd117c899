#include "tools/tune/search_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "tools/tune/trial_options.h"

namespace fmserve::tools {
namespace {

using ::testing::HasSubstr;

constexpr const char* kSpace = R"(k: [8, 16]
learning-rate: {min: 0.01, max: 0.3, scale: log}
init-accumulator: {min: 1, max: 2}
patience: {min: 2, max: 4}
l2-linear: 1e-5
)";

std::string ErrorOf(const std::string& yaml) {
  return std::string(ParseSearchSpace(yaml, "s.yaml").status().message());
}

std::vector<TrialOptions> DrawnOf(const std::string& yaml, uint32_t trials, uint64_t seed = 1) {
  const absl::StatusOr<SearchSpace> space = ParseSearchSpace(yaml, "s.yaml");
  EXPECT_TRUE(space.ok()) << space.status();
  return DrawTrials(*space, seed, trials);
}

TEST(SearchSpaceTest, TrialsLieInTheSpace) {
  std::map<std::string, std::set<std::string>> seen;
  int below_geometric_mean = 0;
  for (const TrialOptions& options : DrawnOf(kSpace, 1000)) {
    ASSERT_EQ(options.size(), 5U);
    for (const auto& [name, value] : options) seen[name].insert(value);
    const double rate = std::stod(options[1].second);
    EXPECT_GE(rate, 0.01);
    EXPECT_LE(rate, 0.3);
    if (rate < std::sqrt(0.01 * 0.3)) ++below_geometric_mean;
    TrainArguments arguments;
    EXPECT_TRUE(SetTrialOptions(options, arguments).ok());
    EXPECT_EQ(arguments.fit.learner.learning_rate, rate) << "as fm train reads it";
    EXPECT_EQ(arguments.fit.learner.l2_linear, 1e-5);
  }
  EXPECT_EQ(seen["k"], (std::set<std::string>{"8", "16"}));
  EXPECT_EQ(seen["patience"], (std::set<std::string>{"2", "3", "4"})) << "whole, both ends";
  EXPECT_EQ(seen["l2-linear"].size(), 1U);
  EXPECT_NEAR(below_geometric_mean, 500, 70) << "evenly on a logarithmic scale";
}

TEST(SearchSpaceTest, TrialsDependOnTheSeedAloneNotOnHowManyThereAre) {
  const std::vector<TrialOptions> few = DrawnOf(kSpace, 5);
  std::vector<TrialOptions> many = DrawnOf(kSpace, 50);
  many.resize(5);
  EXPECT_EQ(few, many);
  EXPECT_NE(few, DrawnOf(kSpace, 5, 2));
}

TEST(SearchSpaceTest, NoTwoTrialsAreTheSameAndASmallSpaceIsUsedUp) {
  const std::vector<TrialOptions> all = DrawnOf("k: [4, 8, 16]\npatience: [1, 2]\n", 50);
  EXPECT_EQ(all.size(), 6U);
  EXPECT_EQ(std::set<TrialOptions>(all.begin(), all.end()).size(), 6U);
}

TEST(SearchSpaceTest, WhatFmTrainWouldRefuseIsRefusedWithItsLine) {
  EXPECT_THAT(ErrorOf("l2-linear: 0\nk: [8, 300]"), HasSubstr("s.yaml:2: --k: "));
  EXPECT_THAT(ErrorOf("k: eight"), HasSubstr("s.yaml:1: "));
  EXPECT_THAT(ErrorOf("step-decay: {min: 0.5, max: 1.5}"), HasSubstr("--step-decay"));
  EXPECT_THAT(ErrorOf("k: {min: 2.5, max: 8}"), HasSubstr("--k"));
  EXPECT_THAT(ErrorOf("kind: [ffm]"), HasSubstr("--kind"));
}

TEST(SearchSpaceTest, UnknownAndRepeatedKeysAreRefused) {
  EXPECT_THAT(ErrorOf("k: 8\nlearning_rate: 0.1"),
              HasSubstr("s.yaml:2: no option 'learning_rate' that trials may differ in; there are "
                        "kind, k, learning-rate"));
  for (const char* name : {"seed", "epochs", "threads", "stop-on", "method", "checkpoint", "out"})
    EXPECT_THAT(ErrorOf(absl::StrCat(name, ": 1")), HasSubstr("no option")) << name;
  EXPECT_THAT(ErrorOf("k: 8\nk: 16"), HasSubstr("s.yaml:2: 'k' is given twice"));
  EXPECT_THAT(ErrorOf("k: [8, 8]"), HasSubstr("8 is given twice"));
}

TEST(SearchSpaceTest, RangesNeedTwoEndsInOrderAndASensibleScale) {
  EXPECT_THAT(ErrorOf("\nl2-factors:\n  min: 0.1"), HasSubstr("l2-factors: a range has min and"));
  EXPECT_THAT(ErrorOf("l2-factors: {min: 1, max: 1}"), HasSubstr("max must be above min"));
  EXPECT_THAT(ErrorOf("l2-factors: {min: 0, max: 1, scale: log}"), HasSubstr("above 0"));
  EXPECT_THAT(ErrorOf("l2-factors: {min: 0, max: 1, scale: cubic}"), HasSubstr("log or linear"));
  EXPECT_THAT(ErrorOf("l2-factors: {min: 0, max: 1, step: 2}"), HasSubstr("has no key 'step'"));
  EXPECT_THAT(ErrorOf("l2-factors: {min: 0, max: [1]}"), HasSubstr("one value is expected"));
  EXPECT_THAT(ErrorOf("kind: {min: 0, max: 1}"), HasSubstr("has no range"));
}

TEST(SearchSpaceTest, WhatChangesTheRowsIsTheSameForAllTrials) {
  EXPECT_TRUE(ParseSearchSpace("negatives: 0.5", "s").ok());
  EXPECT_THAT(ErrorOf("negatives: [0.5, 1]"), HasSubstr("all trials share the rows"));
}

TEST(SearchSpaceTest, OptionsOfFieldWeightedModelsAreLeftOutOfOtherTrials) {
  int weighted = 0;
  for (const TrialOptions& trial :
       DrawnOf("rank: [2, 3]\nkind: [fm, fwfm]\nk: {min: 1, max: 40}", 30)) {
    const bool has_rank = trial.front().first == "rank";
    EXPECT_EQ(trial[has_rank ? 1 : 0].second, has_rank ? "fwfm" : "fm");
    weighted += has_rank;
  }
  EXPECT_GT(weighted, 0);
  EXPECT_LT(weighted, 30);
  EXPECT_THAT(ErrorOf("k: 8\nrank: 2"), HasSubstr("rank: only of kind: fwfm"));
  EXPECT_THAT(ErrorOf("kind: fwfm\nrank: 17"), HasSubstr("--rank"));
}

TEST(SearchSpaceTest, SizesHaveLimits) {
  EXPECT_THAT(ErrorOf(std::string(kMaxSpaceBytes + 1, ' ')), HasSubstr("at most 65536 bytes"));
  EXPECT_THAT(ErrorOf("k: []"), HasSubstr("1 to 1000 values"));
  std::string many = "k: [1";
  for (int i = 0; i < 1000; ++i) many += ", 1";
  EXPECT_THAT(ErrorOf(many + "]"), HasSubstr("1 to 1000 values"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("at least one option"));
  EXPECT_THAT(ErrorOf("k: [8"), HasSubstr("s.yaml:"));
  EXPECT_THAT(ErrorOf("- k"), HasSubstr("a map of"));
}

}  // namespace
}  // namespace fmserve::tools
