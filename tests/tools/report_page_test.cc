#include "tools/report/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace fmserve::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kHostile[] = "<script>alert('x')</script>";

trainer::ScoredSample SampleFor(model::Task task, size_t rows) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<float> uniform;
  trainer::ScoredSample sample(rows, 1);
  const std::vector<uint64_t> groups = {trainer::RowGroups::Hash(kHostile)};
  for (uint64_t row = 0; row < rows; ++row) {
    const float p = uniform(random);
    const float click = uniform(random) < p ? 1.0F : 0.0F;
    sample.Add(row, {.label = task == model::Task::kBinary ? click : 4.0F * p + uniform(random),
                     .prediction = task == model::Task::kBinary ? p : 4.0F * p + 0.5F,
                     .other_prediction = task == model::Task::kBinary ? 0.5F : 2.5F,
                     .groups = groups});
  }
  return sample;
}

// A report whose every name is an attempt at markup.
ReportData DataFor(model::Task task, bool compare, size_t rows = 2000) {
  ReportData data;
  data.task = task;
  data.data_path = std::string("dir/") + "<script>test.tsv";
  data.rows_read = 2 * rows;
  data.rows_used = rows;
  data.group_field = kHostile;
  data.first.path = "<script>a.fmw";
  data.first.facts = {{kHostile, kHostile}};
  data.first.curve = {.epochs = {{1, 0.7, 0.8}, {2, 0.6, 0.75}}, .best_epoch = 2};
  if (compare) data.second = ReportedModel{.path = "<script>b.fmw", .facts = {}, .curve = {}};
  const std::vector<std::string> groups = {kHostile};
  data.evaluation = trainer::Evaluate(task, SampleFor(task, rows), compare, groups, 1);
  data.importance_rows = 100;
  data.importance_shuffles = 3;
  data.importance = {{kHostile, 0.1, 0.05, 0.2}, {"other", -0.01, -0.02, 0.0}};
  data.weights = {{kHostile, 12, 1.5}, {kHostile, 40, -1.0}};
  data.interaction_features = 2;
  data.interactions = {{kHostile, kHostile, 10, 20, 0.5}};
  return data;
}

size_t CountOf(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(ReportPageTest, NothingOfDataOrModelBecomesMarkup) {
  for (const bool compare : {false, true}) {
    const std::string page = ReportPage(DataFor(model::Task::kBinary, compare));
    EXPECT_THAT(page, Not(HasSubstr("<script")));
    EXPECT_GT(CountOf(page, "&lt;script&gt;"), 10U);
  }
}

TEST(ReportPageTest, AsksForNothing) {
  const std::string page = ReportPage(DataFor(model::Task::kBinary, true));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  for (const char* request : {"http:", "https:", "src=", "@import", "url("})
    EXPECT_THAT(page, Not(HasSubstr(request))) << request;
}

TEST(ReportPageTest, EachFigureHasATitleAndItsNumbers) {
  const std::string page = ReportPage(DataFor(model::Task::kBinary, false));
  for (const char* id : {"rate-by-bucket", "calibration", "groups", "roc", "precision-recall",
                         "scores", "learning", "importance", "weights", "interactions"}) {
    const size_t begin = page.find(std::string("<figure id=\"") + id + "\">");
    ASSERT_NE(begin, std::string::npos) << id;
    const std::string figure = page.substr(begin, page.find("</figure>", begin) - begin);
    EXPECT_THAT(figure, HasSubstr("<figcaption><h3>")) << id;
    EXPECT_THAT(figure, HasSubstr("role=\"img\"><title>")) << id;
    EXPECT_THAT(figure, HasSubstr("<table>")) << id;
  }
}

TEST(ReportPageTest, RegressionsHaveNoFiguresOfClicks) {
  for (const bool compare : {false, true}) {
    const std::string page = ReportPage(DataFor(model::Task::kRegression, compare));
    EXPECT_THAT(page, HasSubstr("id=\"residuals\""));
    EXPECT_THAT(page, HasSubstr("Predicted against actual"));
    EXPECT_THAT(page, HasSubstr("MAE"));
    for (const char* of_clicks : {"id=\"roc\"", "id=\"scores\"", "id=\"precision-recall\"",
                                  "Click rate by bucket", "Logloss"}) {
      EXPECT_THAT(page, Not(HasSubstr(of_clicks))) << of_clicks;
    }
  }
}

TEST(ReportPageTest, SaysWhichModelIsBetter) {
  // The second one always says 0.5.
  const std::string page = ReportPage(DataFor(model::Task::kBinary, true));
  EXPECT_GE(CountOf(page, "<td>A is better</td>"), 3U);
  EXPECT_EQ(CountOf(page, "B is better"), 0U);
  EXPECT_EQ(CountOf(page, "data-measure"), 0U);
  // And among equals, neither.
  ReportData same = DataFor(model::Task::kBinary, true);
  same.evaluation.differences.fill({.value = 0.0, .interval = trainer::Interval{-0.1, 0.1}});
  EXPECT_GE(CountOf(ReportPage(same), "no clear difference"), 4U);
}

TEST(ReportPageTest, ManyRowsMakeAPageOfTheSameSize) {
  const size_t few = ReportPage(DataFor(model::Task::kBinary, true, 2'000)).size();
  const size_t many = ReportPage(DataFor(model::Task::kBinary, true, 50'000)).size();
  EXPECT_LT(many, 1.1 * static_cast<double>(few));
  EXPECT_LT(many, 500'000U);
}

TEST(ReportPageTest, LeavesOutWhatIsNotKnown) {
  ReportData data = DataFor(model::Task::kBinary, false);
  data.first.curve = {};
  data.importance.clear();
  data.weights.clear();
  data.interactions.clear();
  data.evaluation.groups.clear();
  data.evaluation.first.ranking.reset();
  const std::string page = ReportPage(data);
  for (const char* id : {"learning", "importance", "weights", "interactions", "groups", "roc"})
    EXPECT_THAT(page, Not(HasSubstr(std::string("id=\"") + id + "\""))) << id;
  EXPECT_THAT(page, HasSubstr("id=\"calibration\""));
}

TEST(ReportPageTest, SaysWhenOnlyAPartOfTheRowsWasLookedAt) {
  ReportData data = DataFor(model::Task::kBinary, false);
  EXPECT_THAT(ReportPage(data), HasSubstr("4,000 rows, of which 2,000 drawn evenly"));
  data.rows_used = data.rows_read;
  EXPECT_THAT(ReportPage(data), Not(HasSubstr("drawn evenly")));
}

}  // namespace
}  // namespace fmserve::tools
