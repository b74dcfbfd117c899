#include "tools/generate/click_log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <string>

#include "tools/generate/zipf.h"
#include "trainer/row_reader.h"
#include "trainer/schema_yaml.h"

namespace fmserve::tools {
namespace {

std::string Contents(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class ClickLogTest : public ::testing::Test {
 protected:
  ~ClickLogTest() override { std::filesystem::remove_all(dir_); }

  std::vector<ClickLogSplit> Write(const std::string& name, uint64_t seed,
                                   double ctr = 0.02) const {
    auto splits = WriteClickLog({.rows = 20'000, .seed = seed, .ctr = ctr, .dir = dir_ / name});
    EXPECT_TRUE(splits.ok()) << splits.status();
    return *std::move(splits);
  }

  const std::filesystem::path dir_ =
      std::filesystem::path(::testing::TempDir()) /
      ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(ClickLogTest, SplitsTheRowsAndKeepsTheClickRate) {
  const auto splits = Write("log", 7);
  ASSERT_EQ(splits.size(), 3U);
  EXPECT_EQ(splits[0].hidden.rows, 16'000U);
  EXPECT_EQ(splits[1].hidden.rows, 2'000U);
  EXPECT_EQ(splits[2].hidden.rows, 2'000U);
  EXPECT_NEAR(static_cast<double>(splits[0].clicks) / 16'000.0, 0.02, 0.005);
}

TEST_F(ClickLogTest, TheHiddenModelIsCalibratedAndKnowsMoreThanTheClickRate) {
  const trainer::Metrics hidden = Write("log", 7, 0.2)[0].hidden;
  EXPECT_NEAR(*hidden.calibration, 1.0, 0.05);
  EXPECT_LT(*hidden.normalized_entropy, 0.95);
  EXPECT_GT(*hidden.auc, 0.7);
}

TEST_F(ClickLogTest, IsRepeatableAndAnotherSeedIsAnotherLog) {
  Write("a", 7);
  Write("b", 7);
  Write("c", 8);
  EXPECT_EQ(Contents(dir_ / "a/train.tsv"), Contents(dir_ / "b/train.tsv"));
  EXPECT_NE(Contents(dir_ / "a/train.tsv"), Contents(dir_ / "c/train.tsv"));
}

TEST_F(ClickLogTest, EveryRowReadsByTheSchemaBesideIt) {
  const auto splits = Write("log", 7);
  const auto schema = trainer::ReadSchemaYaml(dir_ / "log/schema.yaml");
  ASSERT_TRUE(schema.ok()) << schema.status();
  auto reader = trainer::RowReader::Open(splits[1].path, *schema, trainer::Labels::kRequired);
  ASSERT_TRUE(reader.ok()) << reader.status();
  trainer::Row row;
  uint64_t rows = 0;
  uint64_t clicks = 0;
  while (*(*reader)->Next(&row)) {
    ++rows;
    clicks += *row.label == 1.0F ? 1 : 0;
  }
  EXPECT_EQ(rows, splits[1].hidden.rows);
  EXPECT_EQ(clicks, splits[1].clicks);
}

TEST(ZipfDistribution, DrawsRanksInProportionToTheirPowerLaw) {
  const ZipfDistribution zipf(1000, 1.0);
  std::mt19937_64 random(1);
  std::map<size_t, int> counts;
  for (int i = 0; i < 200'000; ++i) ++counts[zipf(random)];
  EXPECT_LT(counts.rbegin()->first, 1000U);
  EXPECT_NEAR(counts[0] / static_cast<double>(counts[9]), 10.0, 1.0);
  EXPECT_NEAR(counts[0] / static_cast<double>(counts[1]), 2.0, 0.1);
}

}  // namespace
}  // namespace fmserve::tools
