#include "trainer/warm_start.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/trainer/small_model.h"
#include "trainer/dataset.h"

namespace fmserve::trainer {
namespace {

using ::testing::FloatEq;
using ::testing::HasSubstr;
using ::testing::Pointwise;

constexpr char kFields[] =
    "task: binary\nlabel: click\nfields:\n"
    "  - {name: user, side: context}\n"
    "  - {name: ad, side: item, min_count: 2}\n"
    "  - {name: price, side: item, kind: numeric}\n";

// Users u1 and u2, ads a1 and a2, one of them rare in the rows below.
SmallModel Yesterday() {
  return {.rows = {{"user", "u1", 0.5F, {0.1F, 0.2F}, 7},
                   {"user", "u2", -0.5F, {0.3F, 0.4F}, 6},
                   {"ad", "a1", 1.0F, {0.5F, 0.6F}, 9},
                   {"ad", "(rare)", 0.25F, {0.7F, 0.8F}, 3}},
          .w0 = -1.5};
}

class WarmStartTest : public ::testing::Test {
 protected:
  ~WarmStartTest() override { std::filesystem::remove(path_); }

  absl::StatusOr<TrainingData> Read(const WarmStart& start, const ModelShape& shape = {.k = 2}) {
    std::ofstream(path_) << "click\tuser\tad\tprice\n"
                            "1\tu1\ta1\t1\n0\tu3\ta2\t2\n0\tu3\ta3\t3\n";
    return ReadTrainingData(path_, schema_, {.warm_start = &start, .shape = shape});
  }

  // The row of the feature in what was learned last.
  uint32_t Row(const TrainingData& data, const std::string& field, const std::string& value) {
    for (uint32_t row = 0; row < data.vocabulary.size(); ++row) {
      const Feature& feature = data.vocabulary[row];
      if (data.schema.field(feature.field).name == field && feature.value == value) return row;
    }
    return kNoRow;
  }

  static Parameters Begin(const WarmStart& start, const TrainingData& data) {
    Learner learner({.k = 2}, data.vocabulary.keys(), LabelTotals::Of(data.examples.labels));
    SetParameters(start, data.vocabulary, learner);
    return learner.parameters();
  }

  const TrainingSchema schema_ = ParseSchemaYaml(kFields, "schema.yaml").value();
  const std::string path_ = absl::StrCat(testing::TempDir(), "warm_start_test.", getpid(), ".tsv");
};

TEST_F(WarmStartTest, BeginsWithTheParametersOfTheEarlierModel) {
  const WarmStart start{.file = Open(Yesterday())};
  const auto data = Read(start);
  ASSERT_TRUE(data.ok()) << data.status();
  const Parameters parameters = Begin(start, *data);
  EXPECT_EQ(parameters.w0, -1.5);
  const uint32_t u1 = Row(*data, "user", "u1");
  EXPECT_EQ(parameters.w[u1], 0.5F);
  EXPECT_THAT(parameters.factors(u1), Pointwise(FloatEq(), {0.1F, 0.2F}));
  EXPECT_EQ(data->vocabulary[u1].count, 8U) << "7 rows then, one now";
  EXPECT_EQ(data->earlier_rows, 100U);
}

TEST_F(WarmStartTest, NewFeaturesBeginAsTheyWouldWithoutIt) {
  const WarmStart start{.file = Open(Yesterday())};
  const auto data = Read(start);
  ASSERT_TRUE(data.ok()) << data.status();
  const uint32_t u3 = Row(*data, "user", "u3");
  const std::vector<uint64_t> keys = {data->vocabulary[u3].key};
  const Parameters anew =
      Learner({.k = 2}, keys, LabelTotals::Of(data->examples.labels)).parameters();
  const Parameters parameters = Begin(start, *data);
  EXPECT_EQ(parameters.w[u3], 0.0F);
  EXPECT_THAT(parameters.factors(u3), Pointwise(FloatEq(), anew.factors(0)));
}

TEST_F(WarmStartTest, WhatTheNewRowsLackIsKeptAgedOrDropped) {
  WarmStart start{.file = Open(Yesterday())};
  for (const double unseen : {1.0, 0.5}) {
    start.unseen = unseen;
    const auto data = Read(start);
    ASSERT_TRUE(data.ok()) << data.status();
    const uint32_t u2 = Row(*data, "user", "u2");
    ASSERT_NE(u2, kNoRow);
    EXPECT_EQ(Begin(start, *data).w[u2], static_cast<float>(-0.5 * unseen));
    EXPECT_EQ(data->vocabulary[u2].count, 6U);
    EXPECT_EQ(Begin(start, *data).w[Row(*data, "user", "u1")], 0.5F) << "the rows have it";
  }
  start.unseen = 0.0;
  const auto data = Read(start);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(Row(*data, "user", "u2"), kNoRow);
}

TEST_F(WarmStartTest, AFeatureOfTheEarlierModelIsNotRareAgain) {
  const WarmStart start{.file = Open(Yesterday())};
  const auto data = Read(start);
  ASSERT_TRUE(data.ok()) << data.status();
  const uint32_t a1 = Row(*data, "ad", "a1");
  const uint32_t rare = Row(*data, "ad", "(rare)");
  EXPECT_EQ(data->vocabulary[a1].count, 10U);
  EXPECT_EQ(Row(*data, "ad", "a2"), kNoRow);
  EXPECT_EQ(data->vocabulary[rare].count, 5U) << "3 rows then, a2 and a3 now";
  EXPECT_EQ(data->examples[1][1].row, rare);
  EXPECT_EQ(Begin(start, *data).w[rare], 0.25F);
  EXPECT_EQ(data->vocabulary.Find(SmallKey("ad", "never seen"), 1), rare);
}

TEST_F(WarmStartTest, GoesOnFromTheFieldMatrix) {
  SmallModel yesterday = Yesterday();
  yesterday.field_matrix = model::FieldMatrix{
      .rank = 2, .scales = {1.5F, -0.5F}, .factors = {0.1F, 0.2F, 0.3F, 0.4F, 0.5F, 0.6F}};
  const WarmStart start{.file = Open(yesterday)};
  const auto data = Read(start, {.k = 2, .rank = 2});
  ASSERT_TRUE(data.ok()) << data.status();
  std::vector<uint8_t> fields;
  for (size_t row = 0; row < data->vocabulary.size(); ++row)
    fields.push_back(data->vocabulary[row].field);
  Learner learner({.k = 2, .field = {.rank = 2}}, data->vocabulary.keys(),
                  LabelTotals::Of(data->examples.labels), {.of_rows = fields, .count = 3});
  SetParameters(start, data->vocabulary, learner);
  EXPECT_EQ(learner.parameters().field_matrix, yesterday.field_matrix);
}

TEST_F(WarmStartTest, SaysWhyAModelIsNoneToGoOnFrom) {
  const auto problem = [&](const WarmStart& start, const ModelShape& shape = {.k = 2}) {
    return std::string(Read(start, shape).status().message());
  };
  EXPECT_THAT(problem({.file = Open(Yesterday())}, {.k = 4}), HasSubstr("give --k 2"));
  EXPECT_THAT(problem({.file = Open(Yesterday())}, {.k = 2, .rank = 3}),
              HasSubstr("give --kind fm"));
  SmallModel weighted = Yesterday();
  weighted.field_matrix =
      model::FieldMatrix{.rank = 1, .scales = {1.0F}, .factors = {1.0F, 1.0F, 1.0F}};
  EXPECT_THAT(problem({.file = Open(weighted)}), HasSubstr("give --kind fwfm --rank 1"));
  SmallModel nameless = Yesterday();
  nameless.with_names = false;
  EXPECT_THAT(problem({.file = Open(nameless)}), HasSubstr("no names"));
  const auto others =
      ParseSchemaYaml("{label: click, fields: [{name: user, side: context}]}", "s.yaml").value();
  EXPECT_FALSE(FeaturesOf({.file = Open(Yesterday())}, others, {.k = 2}).ok());
  TrainingSchema regression = schema_;
  regression.task = model::Task::kRegression;
  EXPECT_THAT(FeaturesOf({.file = Open(Yesterday())}, regression, {.k = 2}).status().ToString(),
              HasSubstr("task"));
}

}  // namespace
}  // namespace fmserve::trainer
