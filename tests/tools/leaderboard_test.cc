#include "tools/tune/leaderboard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fmserve::tools {
namespace {

using trainer::TrialResult;

TrialResult At(uint32_t trial, uint32_t rung, std::optional<double> metric) {
  return {.job = {.trial = trial, .rung = rung},
          .epochs = rung * 2 + 1,
          .best_epoch = 1,
          .metric = metric};
}

const std::vector<TrialOptions> kTrials = {{{"k", "8"}, {"l2-linear", "0"}},
                                           {{"k", "16"}, {"l2-linear", "0"}},
                                           {{"k", "32"}, {"l2-linear", "0"}}};

std::vector<uint32_t> Order(const std::vector<TrialResult>& results, bool larger_is_better) {
  std::vector<uint32_t> order;
  for (const TrialResult& result : RankTrials(results, larger_is_better))
    order.push_back(result.job.trial);
  return order;
}

TEST(LeaderboardTest, RanksTheLastResultOfEachTrial) {
  const std::vector<TrialResult> results = {At(0, 0, 0.5), At(1, 0, 0.6), At(2, 0, 0.7),
                                            At(2, 1, 0.4)};
  EXPECT_EQ(Order(results, false), (std::vector<uint32_t>{2, 0, 1}));
  EXPECT_EQ(Order(results, true), (std::vector<uint32_t>{1, 0, 2}));
}

TEST(LeaderboardTest, DivergedTrialsAreLastAndEqualOnesStandByTheirNumbers) {
  const std::vector<TrialResult> results = {At(1, 0, 0.5), At(0, 0, 0.5), At(2, 0, 0.1),
                                            At(2, 1, std::nullopt)};
  EXPECT_EQ(Order(results, false), (std::vector<uint32_t>{0, 1, 2}));
  EXPECT_EQ(Order(results, true), (std::vector<uint32_t>{0, 1, 2}));
}

TEST(LeaderboardTest, TheTableShowsTheOptionsThatDiffer) {
  const auto ranking = RankTrials(
      std::vector<TrialResult>{At(0, 0, 0.5), At(1, 1, 0.25), At(2, 0, std::nullopt)}, false);
  EXPECT_EQ(LeaderboardText(ranking, kTrials, "logloss", 20),
            "place  trial  logloss   epochs   k\n"
            "    1      1  0.25000        3  16\n"
            "    2      0  0.50000        1   8\n"
            "    3      2  diverged       1  32\n");
  EXPECT_THAT(LeaderboardText(ranking, kTrials, "logloss", 1),
              ::testing::EndsWith("  16\nand 2 more\n"));
}

TEST(LeaderboardTest, JsonHasEveryTrialAndAllItsOptions) {
  const auto ranking =
      RankTrials(std::vector<TrialResult>{At(1, 1, 0.25), At(2, 0, std::nullopt)}, false);
  EXPECT_EQ(LeaderboardJson(ranking, kTrials).dump(),
            R"([{"trial":1,"metric":0.25,"epochs":3,"best_epoch":1,"rung":1,)"
            R"("options":{"k":"16","l2-linear":"0"}},)"
            R"({"trial":2,"metric":null,"epochs":1,"best_epoch":1,"rung":0,)"
            R"("options":{"k":"32","l2-linear":"0"}}])");
}

}  // namespace
}  // namespace fmserve::tools
