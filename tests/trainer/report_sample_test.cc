#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "trainer/report/frequent_values.h"
#include "trainer/report/groups.h"
#include "trainer/report/scored_sample.h"

namespace fmserve::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ScoredSample SampleOf(uint64_t rows, size_t max_rows) {
  ScoredSample sample(max_rows, 1);
  for (uint64_t row = 0; row < rows; ++row) {
    if (!sample.Wants(row)) continue;
    const std::vector<uint64_t> groups(row % 3, row);
    sample.Add(row, {.label = static_cast<float>(row),
                     .weight = 2.0F,
                     .prediction = 0.5F,
                     .other_prediction = 0.25F,
                     .groups = groups});
  }
  return sample;
}

TEST(ScoredSampleTest, KeepsAllRowsInTheirOrderWhileTheyFit) {
  const ScoredSample sample = SampleOf(1000, 1000);
  ASSERT_EQ(sample.size(), 1000U);
  for (size_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(sample.first().labels[i], static_cast<float>(i));
    EXPECT_EQ(sample.groups(i).size(), i % 3);
  }
}

TEST(ScoredSampleTest, ThinsEvenlyWhatDoesNotFit) {
  const ScoredSample sample = SampleOf(100'000, 4000);
  EXPECT_LE(sample.size(), 4000U);
  EXPECT_GT(sample.size(), 1300U);
  double mean = 0.0;
  for (size_t i = 0; i < sample.size(); ++i) {
    const auto row = static_cast<uint64_t>(sample.first().labels[i]);
    mean += static_cast<double>(row) / static_cast<double>(sample.size());
    ASSERT_EQ(sample.groups(i).size(), row % 3) << "columns belong together";
    if (row % 3 > 0) {
      ASSERT_EQ(sample.groups(i)[0], row);
    }
  }
  EXPECT_NEAR(mean, 50'000, 5 * 100'000 / std::sqrt(12.0 * static_cast<double>(sample.size())));
  EXPECT_EQ(sample.second().predictions[0], 0.25F);
}

TEST(ScoredSampleTest, LongListsOfGroupsThinItToo) {
  ScoredSample sample(100, 1);
  const std::vector<uint64_t> groups(16, 7);
  for (uint64_t row = 0; row < 100; ++row) {
    if (sample.Wants(row)) sample.Add(row, {.label = 1.0F, .groups = groups});
  }
  EXPECT_LE(sample.size(), 25U);
}

TEST(RawSampleTest, IsBoundedInRowsAndInBytes) {
  RawSample few(50, size_t{1} << 30, 1);
  RawSample small(1'000'000, 100'000, 1);
  const std::string cell(1000, 'x');
  const std::vector<std::string_view> cells = {cell, "y"};
  for (uint64_t row = 0; row < 1000; ++row) {
    if (few.Wants(row)) few.Add(row, 1.0F, 1.0F, cells);
    if (small.Wants(row)) small.Add(row, 1.0F, 1.0F, cells);
  }
  EXPECT_LE(few.examples().size(), 50U);
  EXPECT_GT(few.examples().size(), 10U);
  EXPECT_LT(small.examples().size(), 100U);
  EXPECT_GT(small.examples().size(), 20U);
  EXPECT_EQ(small.examples().cells.back()[0], cell);
}

TEST(FrequentValuesTest, FindsWhatIsFrequentAmongManyRareValues) {
  FrequentValues values(10);
  for (int i = 0; i < 10'000; ++i) {
    values.Add("rare" + std::to_string(i));
    if (i % 2 == 0) values.Add("often");
    if (i % 4 == 0) values.Add("sometimes");
  }
  EXPECT_THAT(values.Top(2), ElementsAre("often", "sometimes"));
}

TEST(FrequentValuesTest, ValuesThatFitAreInOrderOfTheirCounts) {
  FrequentValues values(10);
  for (const char* value : {"b", "a", "c", "c"}) values.Add(value);
  EXPECT_THAT(values.Top(10), ElementsAre("c", "a", "b"));
}

model::FeatureSchema GroupSchema() {
  std::vector<model::Field> fields(4);
  fields[0].name = "ad";
  fields[1].name = "genres";
  fields[1].kind = model::FieldKind::kMultiValued;
  fields[2].name = "tags";
  fields[2].kind = model::FieldKind::kMultiValued;
  fields[2].weighted = true;
  fields[3].name = "price";
  fields[3].kind = model::FieldKind::kNumeric;
  return model::FeatureSchema::Create(std::move(fields)).value();
}

std::vector<uint64_t> HashesOf(const std::vector<std::string>& values) {
  std::vector<uint64_t> hashes;
  for (const std::string& value : values) hashes.push_back(RowGroups::Hash(value));
  return hashes;
}

std::vector<uint64_t> GroupsOf(const std::string& field, const std::string& cell) {
  RowGroups groups = RowGroups::Create(GroupSchema(), field).value();
  const std::span<const uint64_t> hashes = groups.Add(cell);
  return {hashes.begin(), hashes.end()};
}

TEST(RowGroupsTest, ARowBelongsToEachOfItsValues) {
  EXPECT_EQ(GroupsOf("ad", "a|b"), HashesOf({"a|b"}));
  EXPECT_EQ(GroupsOf("genres", "drama||war|drama"), HashesOf({"drama", "war"}));
  EXPECT_EQ(GroupsOf("tags", "a:2.5|b"), HashesOf({"a", "b"}));
  EXPECT_EQ(GroupsOf("genres", ""), HashesOf({"(missing)"}));
}

TEST(RowGroupsTest, OnlyFieldsWithValuesHaveGroups) {
  EXPECT_THAT(std::string(RowGroups::Create(GroupSchema(), "price").status().message()),
              HasSubstr("only categorical and multi-valued"));
  EXPECT_THAT(std::string(RowGroups::Create(GroupSchema(), "color").status().message()),
              HasSubstr("no field 'color'"));
}

TEST(GroupsTest, EachIsMeasuredByItself) {
  ScoredSample sample(1000, 1);
  const std::vector<uint64_t> good = HashesOf({"good"});
  const std::vector<uint64_t> both = HashesOf({"good", "bad"});
  for (uint64_t row = 0; row < 100; ++row) {
    const bool clicked = row >= 50;
    const float prediction = static_cast<float>(row) / 100.0F;
    sample.Add(2 * row, {.label = clicked ? 1.0F : 0.0F, .prediction = prediction, .groups = good});
    if (row % 10 == 0) {
      sample.Add(2 * row + 1, {.label = 0.0F, .prediction = prediction, .groups = both});
    }
  }
  const std::vector<uint32_t> order = OrderByPrediction(sample.first());
  const std::vector<std::string> values = {"bad", "good", "absent"};
  const auto groups = SummarizeGroups(model::Task::kBinary, sample, order, values, 10);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].value, "good");
  EXPECT_EQ(groups[0].rows, 110U);
  EXPECT_NEAR(groups[0].observed, 50.0 / 110, 1e-9);
  EXPECT_EQ(groups[0].buckets.size(), 5U) << "20 rows each";
  EXPECT_GT(*groups[0].rank_correlation, 0.8);
  EXPECT_EQ(groups[1].rows, 10U);
  EXPECT_NEAR(groups[1].predicted, 0.45, 1e-6);
  EXPECT_EQ(groups[1].buckets.size(), 3U);
  EXPECT_FALSE(groups[1].rank_correlation.has_value()) << "nobody clicked";
  EXPECT_THAT(SummarizeGroups(model::Task::kBinary, sample, order, {}, 10), IsEmpty());
}

}  // namespace
}  // namespace fmserve::trainer
