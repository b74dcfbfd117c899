#include "tools/topk/shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

namespace fmserve::tools {
namespace {

using ::testing::HasSubstr;
using Variables = std::map<std::string, std::string>;

absl::StatusOr<std::optional<Shard>> Choose(const Variables& variables, std::string_view flag = "",
                                            std::optional<uint32_t> shards = std::nullopt) {
  return ChooseShard(flag, shards, [&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

Variables SlurmTask(const std::string& id, const std::string& min, const std::string& max,
                    const std::string& count, const std::string& step = "1") {
  return {{"SLURM_ARRAY_TASK_ID", id},
          {"SLURM_ARRAY_TASK_MIN", min},
          {"SLURM_ARRAY_TASK_MAX", max},
          {"SLURM_ARRAY_TASK_COUNT", count},
          {"SLURM_ARRAY_TASK_STEP", step}};
}

TEST(ShardTest, WithoutAnythingThereIsNone) {
  const auto shard = Choose({});
  ASSERT_TRUE(shard.ok());
  EXPECT_EQ(*shard, std::nullopt);
  EXPECT_EQ(PathOf("r.tsv", *shard), "r.tsv");
}

TEST(ShardTest, TheFlagWinsOverTheEnvironment) {
  const auto shard = Choose(SlurmTask("7", "1", "9", "9"), "2/3");
  ASSERT_TRUE(shard.ok());
  EXPECT_EQ(*shard, (Shard{.index = 2, .count = 3}));
  EXPECT_EQ(PathOf("r.tsv", *shard), "r.tsv.2-of-3");
}

TEST(ShardTest, FlagsThatAreNoShardAreRefused) {
  for (const char* text :
       {"3", "0/3", "4/3", "1/", "/3", "a/b", "1/0", "1/3/5", "-1/3", "1/1000001"})
    EXPECT_EQ(ParseShard(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
}

TEST(ShardTest, ATaskOfASlurmArrayKnowsItsPlace) {
  EXPECT_EQ(*Choose(SlurmTask("1", "1", "8", "8")), (Shard{.index = 1, .count = 8}));
  EXPECT_EQ(*Choose(SlurmTask("7", "0", "7", "8")), (Shard{.index = 8, .count = 8}));
  EXPECT_EQ(*Choose(SlurmTask("14", "10", "18", "5", "2")), (Shard{.index = 3, .count = 5}));
}

TEST(ShardTest, ASlurmArrayWithGapsIsRefused) {
  for (const char* id : {"1", "3", "7"}) {
    const auto shard = Choose(SlurmTask(id, "1", "7", "3"));
    EXPECT_THAT(std::string(shard.status().message()), HasSubstr("--shard")) << id;
  }
}

TEST(ShardTest, ASmallerArrayThanSaidIsRefused) {
  EXPECT_TRUE(Choose(SlurmTask("5", "1", "8", "8"), "", 8).ok());
  const auto again = Choose(SlurmTask("5", "5", "5", "1"), "", 8);
  EXPECT_THAT(std::string(again.status().message()), HasSubstr("has 1 tasks, --shards says 8"));
}

TEST(ShardTest, BrokenVariablesAreNamed) {
  Variables variables = SlurmTask("1", "1", "8", "many");
  EXPECT_THAT(std::string(Choose(variables).status().message()),
              HasSubstr("SLURM_ARRAY_TASK_COUNT is 'many'"));
  variables.erase("SLURM_ARRAY_TASK_MIN");
  EXPECT_THAT(std::string(Choose(variables).status().message()),
              HasSubstr("SLURM_ARRAY_TASK_MIN is not set"));
}

TEST(ShardTest, AnIndexedJobNeedsTheNumberOfShards) {
  EXPECT_EQ(*Choose({{"JOB_COMPLETION_INDEX", "0"}}, "", 4), (Shard{.index = 1, .count = 4}));
  EXPECT_EQ(*Choose({{"JOB_COMPLETION_INDEX", "3"}}, "", 4), (Shard{.index = 4, .count = 4}));
  EXPECT_FALSE(Choose({{"JOB_COMPLETION_INDEX", "4"}}, "", 4).ok());
  EXPECT_FALSE(Choose({{"JOB_COMPLETION_INDEX", "0"}}).ok());
}

TEST(ShardTest, ANumberOfShardsAloneIsRefused) { EXPECT_FALSE(Choose({}, "", 4).ok()); }

TEST(RowsOfTest, RangesFollowOneAnotherAndDifferByAtMostOneRow) {
  for (const uint64_t rows : {0, 1, 5, 16, 1000003}) {
    uint64_t end = 0;
    for (uint32_t i = 1; i <= 7; ++i) {
      const RowRange range = RowsOf({.index = i, .count = 7}, rows);
      EXPECT_EQ(range.begin, end);
      EXPECT_GE(range.end - range.begin, rows / 7);
      EXPECT_LE(range.end - range.begin, rows / 7 + 1);
      end = range.end;
    }
    EXPECT_EQ(end, rows);
  }
}

}  // namespace
}  // namespace fmserve::tools
