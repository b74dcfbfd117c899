#include "trainer/import/answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "trainer/import/import_goldens.h"
#include "trainer/import/imported_rows.h"
#include "trainer/parameters.h"
#include "trainer/plain_scorer.h"
#include "trainer/schema_yaml.h"

namespace fmserve::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

ImportedModel SmallModel() {
  ImportedModel model;
  model.w0 = 0.5;
  model.k = 2;
  model.w = {1.0F, -2.0F, 3.0F};
  model.v = {0.5F, 1.0F, -1.5F, 0.25F, 2.0F, -0.75F};
  return model;
}

double ScoreOf(const ImportedModel& model, const std::vector<Entry>& entries) {
  return Score({.k = model.k, .w0 = model.w0, .w = model.w, .v = model.v}, entries);
}

TEST(AnswersTest, NothingIsAskedThatTheFileSays) {
  ImportedModel model = SmallModel();
  model.task = model::Task::kBinary;
  EXPECT_THAT(OpenQuestions(model, {}), IsEmpty());
}

TEST(AnswersTest, EachAnswerClosesItsQuestion) {
  ImportedModel model = SmallModel();
  model.link_is_open = true;
  model.norm_is_open = true;
  EXPECT_THAT(OpenQuestions(model, {}),
              ElementsAre(StartsWith("--task"), HasSubstr("--link"), StartsWith("--norm")));
  EXPECT_THAT(OpenQuestions(model, {.task = model::Task::kBinary}),
              ElementsAre(StartsWith("--link"), StartsWith("--norm")));
  EXPECT_THAT(OpenQuestions(model, {.task = model::Task::kRegression}),
              ElementsAre(StartsWith("--norm")));
  EXPECT_THAT(OpenQuestions(model, {.task = model::Task::kRegression, .norm = 0.0}), IsEmpty());
}

TEST(AnswersTest, ANormThatAllRowsShareIsFoldedIntoTheWeights) {
  // xLearn: the linear part by sqrt(n), the pairs by n^2, with n = 1 / sum of x^2.
  ImportedModel model = SmallModel();
  model.norm_is_open = true;
  const std::vector<Entry> row = {{0, 1.0F}, {2, -2.0F}};
  const double n = 1.0 / 5.0;
  const double pair = (0.5 * 2.0 + 1.0 * -0.75) * -2.0;
  const double expected = 0.5 + std::sqrt(n) * (1.0 + 3.0 * -2.0) + n * n * pair;
  ASSERT_TRUE(Settle({.task = model::Task::kRegression, .norm = 5.0}, model).ok());
  EXPECT_NEAR(ScoreOf(model, row), expected, 1e-6);
  ImportedModel plain = SmallModel();
  plain.norm_is_open = true;
  ASSERT_TRUE(Settle({.task = model::Task::kRegression, .norm = 0.0}, plain).ok());
  EXPECT_EQ(plain.v, SmallModel().v);
}

TEST(AnswersTest, ASigmoidStandsForTheProbitLinkAsCloselyAsPromised) {
  ImportedModel model = SmallModel();
  model.link_is_open = true;
  const auto prediction =
      Settle({.task = model::Task::kBinary, .link = ImportLink::kProbit}, model);
  ASSERT_TRUE(prediction.ok()) << prediction.status();
  EXPECT_EQ(prediction->calibration.kind, model::CalibrationKind::kPlatt);
  double worst = 0.0;
  for (double score = -8.0; score <= 8.0; score += 0.01) {
    const double phi = 0.5 * std::erfc(-score / std::sqrt(2.0));
    worst = std::max(worst, std::abs(phi - 1.0 / (1.0 + std::exp(-kProbitScale * score))));
  }
  EXPECT_LT(worst, kProbitMaxError);
  EXPECT_GT(worst, 0.9 * kProbitMaxError);
}

constexpr char kSchema[] = R"({label: y, fields: [
  {name: user, value_type: integer}, {name: tags, kind: multi_valued, weighted: true},
  {name: price, kind: numeric, side: item},
  {name: taste, kind: dense_vector, dimension: 2, side: item}]})";

TEST(ImportGoldensTest, AreRowsThatTheSchemaTakes) {
  const model::FeatureSchema schema = ParseSchemaYaml(kSchema, "s.yaml")->features;
  ImportedModel model = SmallModel();
  model.features = {{"user", "7"}, {"tags", "a:b"}, {"tags", "c|d"}};
  absl::StatusOr<FeatureMap> map = MapBySchema(model, schema);
  ASSERT_TRUE(map.ok()) << map.status();
  const std::vector<model::Golden> goldens = ImportGoldens(*map, schema);
  EXPECT_EQ(goldens, ImportGoldens(*map, schema)) << "the same for the same model";
  EXPECT_THAT(goldens.back().cells, ElementsAre("", "", "", ""));
  const auto rows = ImportedRows::Create(model, *map, schema);
  PlainScorer scorer(**rows, schema, model::Quantization::kF32);
  size_t with_user = 0;
  size_t with_tags = 0;
  for (const model::Golden& golden : goldens) {
    const std::vector<std::string_view> cells(golden.cells.begin(), golden.cells.end());
    EXPECT_TRUE(scorer.Score(cells).ok()) << golden.cells[1];
    with_user += golden.cells[0] == "7";
    with_tags += golden.cells[1].starts_with("a:b:");
    EXPECT_EQ(golden.cells[1].find("c|d"), std::string::npos) << "a cell cannot hold it";
  }
  EXPECT_GT(with_user, 20U);
  EXPECT_GT(with_tags, 20U);
}

}  // namespace
}  // namespace fmserve::trainer
