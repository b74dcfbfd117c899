#include "trainer/search/asha.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace fmserve::trainer {
namespace {

using ::testing::ElementsAre;

TEST(RungEpochsTest, AreThoseOfTable1OfThePaper) {
  EXPECT_THAT(RungEpochs(1, 9, 3), ElementsAre(1, 3, 9));
}

TEST(RungEpochsTest, EndAtTheMostEpochsAndBeginAtTheLeastOrAbove) {
  EXPECT_THAT(RungEpochs(1, 30, 3), ElementsAre(1, 3, 10, 30));
  EXPECT_THAT(RungEpochs(2, 30, 3), ElementsAre(3, 10, 30));
  EXPECT_THAT(RungEpochs(1, 4, 10), ElementsAre(4));
  EXPECT_THAT(RungEpochs(7, 7, 3), ElementsAre(7)) << "random search";
  EXPECT_THAT(RungEpochs(1, 1, 2), ElementsAre(1));
}

// Runs one job after the other; "trial" for rung 0, "trial@rung" above.
std::vector<std::string> RunOneByOne(Asha asha, const std::vector<double>& losses) {
  std::vector<std::string> jobs;
  while (const std::optional<TrialJob> job = asha.Next()) {
    jobs.push_back(job->rung == 0 ? absl::StrCat(job->trial)
                                  : absl::StrCat(job->trial, "@", job->rung));
    asha.Report(*job, losses[job->trial]);
  }
  return jobs;
}

// Nine trials, r = 1, R = 9, reduction 3: 9, 3 and 1 trials in the rungs (table 1). Synchronous
// halving would promote only after the ninth trial.
TEST(AshaTest, PromotesAsSoonAsATrialIsAmongTheBestThirdOfItsRung) {
  const std::vector<double> losses = {0.3, 0.6, 0.7, 0.8, 0.65, 0.2, 0.9, 0.1, 0.75};
  EXPECT_THAT(RunOneByOne(Asha(9, 3, 3), losses),
              ElementsAre("0", "1", "2", "0@1", "3", "4", "5", "5@1", "6", "7", "7@1", "7@2", "8"));
}

// Algorithm 2: for k from the highest rung down.
TEST(AshaTest, LooksAtTheHighestRungFirst) {
  Asha asha(20, 3, 2);
  const auto report = [&](uint32_t trial, uint32_t rung, double loss) {
    asha.Report({.trial = trial, .rung = rung}, loss);
  };
  for (uint32_t trial = 0; trial < 4; ++trial) EXPECT_EQ(asha.Next()->trial, trial);
  for (uint32_t trial = 0; trial < 4; ++trial) report(trial, 0, 0.1 * trial);
  EXPECT_EQ(asha.Next(), (TrialJob{.trial = 0, .rung = 1}));
  EXPECT_EQ(asha.Next(), (TrialJob{.trial = 1, .rung = 1}));
  EXPECT_EQ(asha.Next(), (TrialJob{.trial = 4, .rung = 0})) << "none may be promoted: a new one";
  EXPECT_EQ(asha.Next(), (TrialJob{.trial = 5, .rung = 0}));
  report(0, 1, 0.05);
  report(1, 1, 0.02);
  report(4, 0, -1.0);
  report(5, 0, 9.0);
  EXPECT_EQ(asha.Next(), (TrialJob{.trial = 1, .rung = 2})) << "before trial 4 of rung 0";
  EXPECT_EQ(asha.Next(), (TrialJob{.trial = 4, .rung = 1}));
}

TEST(AshaTest, ATrialIsPromotedOnceAndBetterOnesThatComeLaterAllTheSame) {
  // Every trial is better than all before it: more than a third goes on in the end, which is the
  // price of not waiting.
  const std::vector<double> losses = {0.9, 0.8, 0.7, 0.6, 0.5, 0.4};
  EXPECT_THAT(RunOneByOne(Asha(6, 2, 3), losses),
              ElementsAre("0", "1", "2", "2@1", "3", "3@1", "4", "4@1", "5", "5@1"));
}

TEST(AshaTest, ADivergedTrialTakesItsPlaceInTheRungButIsNeverPromoted) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_THAT(RunOneByOne(Asha(3, 2, 3), {nan, 0.5, inf}), ElementsAre("0", "1", "2", "1@1"));
  EXPECT_THAT(RunOneByOne(Asha(3, 2, 3), {nan, nan, nan}), ElementsAre("0", "1", "2"));
}

TEST(AshaTest, OneRungIsRandomSearch) {
  EXPECT_THAT(RunOneByOne(Asha(3, 1, 3), {0.1, 0.2, 0.3}), ElementsAre("0", "1", "2"));
}

TEST(AshaTest, WaitsForResultsWhenAllTrialsHaveBegun) {
  Asha asha(2, 2, 2);
  EXPECT_TRUE(asha.Next().has_value());
  EXPECT_TRUE(asha.Next().has_value());
  EXPECT_FALSE(asha.Next().has_value());
  asha.Report({.trial = 1, .rung = 0}, 0.5);
  EXPECT_FALSE(asha.Next().has_value()) << "one of two is needed to tell the better half";
  asha.Report({.trial = 0, .rung = 0}, 0.5);
  EXPECT_EQ(asha.Next(), (TrialJob{.trial = 0, .rung = 1})) << "of equal ones the first";
}

}  // namespace
}  // namespace fmserve::trainer
