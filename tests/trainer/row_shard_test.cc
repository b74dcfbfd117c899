#include "trainer/row_shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "trainer/row_files.h"
#include "trainer/row_reader.h"

namespace fmserve::trainer {
namespace {

using testing::HasSubstr;

// Rank and size, and nothing that one could share.
class SomeRank final : public Ranks {
 public:
  SomeRank(uint32_t rank, uint32_t size) : rank_(rank), size_(size) {}
  uint32_t rank() const override { return rank_; }
  uint32_t size() const override { return size_; }
  absl::Status SumInPlace(std::span<float> /*values*/) override { return absl::OkStatus(); }
  absl::Status SumInPlace(std::span<double> /*values*/) override { return absl::OkStatus(); }
  absl::Status Broadcast(uint32_t /*root*/, std::span<std::byte> /*bytes*/) override {
    return absl::OkStatus();
  }
  void EndAll(int /*exit_code*/) override {}

 private:
  const uint32_t rank_;
  const uint32_t size_;
};

class RowShardTest : public testing::Test {
 protected:
  RowShardTest() { std::filesystem::create_directories(folder_); }
  ~RowShardTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }

  absl::StatusOr<RowShard> Shard(ShardBy by, uint32_t rank, uint32_t ranks) const {
    return ShardOf(folder_, by, SomeRank(rank, ranks));
  }

  // The ads of the rows that a rank reads, or the error.
  std::string Ads(ShardBy by, uint32_t rank, uint32_t ranks) const {
    const absl::StatusOr<RowShard> shard = Shard(by, rank, ranks);
    if (!shard.ok()) return std::string(shard.status().message());
    ShardChunks chunks(*shard, schema_);
    std::string ads;
    while (true) {
      Chunk chunk;
      const absl::StatusOr<bool> more = chunks.Next(&chunk);
      if (!more.ok()) return std::string(more.status().message());
      if (!*more) return ads;
      const auto reader = RowReader::OpenChunk(std::move(chunk), schema_, Labels::kRequired);
      EXPECT_TRUE(reader.ok()) << reader.status();
      for (Row row; *(*reader)->Next(&row);) ads += row.cells[0];
    }
  }

  const std::string folder_ = testing::TempDir() + "row_shard_" + std::to_string(getpid());
  const TrainingSchema schema_ =
      *ParseSchemaYaml("label: click\nfields: [{name: ad}]\n", "schema.yaml");
};

TEST_F(RowShardTest, EveryRowBelongsToOneRankAndRanksHaveAboutAsMany) {
  std::string all;
  for (int file = 0; file < 2; ++file) {
    std::string text = "click\tad\n";
    for (int row = 0; row < 2000; ++row) {
      const char ad = static_cast<char>('a' + (row * 7 + file) % 26);
      text += std::string("1\t") + ad + "\n";
      all += ad;
    }
    Write(std::to_string(file) + ".tsv", text);
  }
  std::string of_ranks;
  for (uint32_t rank = 0; rank < 3; ++rank) {
    const std::string ads = Ads(ShardBy::kRows, rank, 3);
    EXPECT_NEAR(static_cast<double>(ads.size()), 4000.0 / 3.0, 100.0);
    of_ranks += ads;
  }
  std::sort(all.begin(), all.end());
  std::sort(of_ranks.begin(), of_ranks.end());
  EXPECT_EQ(of_ranks, all);
}

TEST_F(RowShardTest, WholeFilesAreDealtOutWhenThereAreEnough) {
  for (const char* ad : {"a", "b", "c"})
    Write(std::string(ad) + ".tsv", std::string("click\tad\n1\t") + ad + "\n");
  EXPECT_EQ(Ads(ShardBy::kAuto, 0, 2), "ac");
  EXPECT_EQ(Ads(ShardBy::kAuto, 1, 2), "b");
  EXPECT_EQ(Ads(ShardBy::kAuto, 3, 4), "");
  EXPECT_EQ(Ads(ShardBy::kAuto, 1, 4), "b");
  EXPECT_THAT(Ads(ShardBy::kFiles, 0, 4), HasSubstr("3 files for 4 ranks"));
}

TEST_F(RowShardTest, AFileHasItsNumberWhoeverReadsIt) {
  for (const char* name : {"a.tsv", "b.tsv", "c.tsv"}) Write(name, "click\tad\n1\tx\n");
  EXPECT_EQ(Shard(ShardBy::kFiles, 0, 2)->files[1].number, 2);
  EXPECT_EQ(Shard(ShardBy::kFiles, 1, 2)->files[0].number, 1);
  EXPECT_EQ(Shard(ShardBy::kRows, 1, 2)->files[1].number, 1);
}

TEST_F(RowShardTest, WhatARankFindsForItselfIsItsOwn) {
  for (const char* name : {"a.tsv", "b.tsv"}) Write(name, "click\tad\n1\tx\n");
  EXPECT_EQ(Ads(ShardBy::kOwn, 1, 2), "xx");
  // Another rank's file of this name is another file.
  EXPECT_NE(Shard(ShardBy::kOwn, 1, 2)->files[0].number,
            Shard(ShardBy::kOwn, 0, 2)->files[0].number);
}

TEST_F(RowShardTest, WhatCannotBeOpenedIsAnError) {
  EXPECT_EQ(Shard(ShardBy::kAuto, 0, 1).status().code(), absl::StatusCode::kNotFound);
  Write("a.tsv", "click\tad\n1\tx\n");
  Write("b.unknown", "click\tad\n1\tx\n");
  EXPECT_THAT(Ads(ShardBy::kAuto, 0, 1), HasSubstr("b.unknown"));
}

}  // namespace
}  // namespace fmserve::trainer
