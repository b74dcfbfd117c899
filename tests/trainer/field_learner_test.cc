// Learning field-weighted factorization machines.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <optional>
#include <random>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/trainer/learn_all.h"
#include "trainer/fit.h"
#include "trainer/learner.h"
#include "trainer/parameters.h"

namespace fmserve::trainer {
namespace {

constexpr uint32_t kFieldsCount = 4;
constexpr uint32_t kValuesPerField = 10;
constexpr uint32_t kRowsCount = kFieldsCount * kValuesPerField;

// Row r is value r % 10 of field r / 10.
struct FieldedRows {
  std::vector<uint64_t> keys = std::vector<uint64_t>(kRowsCount);
  std::vector<uint8_t> fields;

  FieldedRows() {
    std::iota(keys.begin(), keys.end(), 1U);
    for (uint32_t row = 0; row < kRowsCount; ++row)
      fields.push_back(static_cast<uint8_t>(row / kValuesPerField));
  }
  RowFields row_fields() const { return {.of_rows = fields, .count = kFieldsCount}; }
};

const FieldedRows& Fielded() {
  static const FieldedRows rows;
  return rows;
}

double ScoreOfEntries(const Parameters& parameters, std::span<const Entry> entries) {
  std::vector<uint8_t> fields;
  for (const Entry& entry : entries) fields.push_back(Fielded().fields[entry.row]);
  return Score(parameters, entries, fields);
}

double LossOfScore(model::Task task, double score, double label) {
  if (task == model::Task::kRegression) return 0.5 * (score - label) * (score - label);
  return std::log1p(std::exp(label > 0.5 ? -score : score));
}

void Append(const std::vector<Entry>& entries, float label, Examples& examples) {
  examples.entries.insert(examples.entries.end(), entries.begin(), entries.end());
  examples.ends.push_back(examples.entries.size());
  examples.labels.push_back(label);
}

Learner MakeLearner(const LearnerOptions& options, std::span<const float> labels) {
  return Learner(options, Fielded().keys, LabelTotals::Of(labels), Fielded().row_fields());
}

FitResult FitTo(const FitOptions& options, const Examples& train, const Examples* valid) {
  return Fit(options, {Fielded().keys, train, valid, Fielded().row_fields()}, {});
}

// Task, k, rank.
class FieldGradientTest
    : public testing::TestWithParam<std::tuple<model::Task, uint32_t, uint32_t>> {
 protected:
  model::Task task() const { return std::get<0>(GetParam()); }

  // An example whose field 1 has two features, and its loss plus the penalty on what it has.
  const std::vector<Entry> entries_ = {{3, 1.0F}, {12, -0.5F}, {17, 2.0F}, {31, 0.75F}};

  double Objective(const Parameters& parameters) const {
    double objective = LossOfScore(task(), ScoreOfEntries(parameters, entries_), 1.0);
    for (const Entry& entry : entries_) {
      objective += 0.5 * 0.02 * parameters.w[entry.row] * parameters.w[entry.row];
      for (const float v : parameters.factors(entry.row)) objective += 0.5 * 0.03 * v * v;
    }
    return objective;
  }

  void ExpectStep(float& parameter, double step, const Parameters& changed) const {
    constexpr float kStep = 1.0F / 256;
    const float value = parameter;
    parameter = value + kStep;
    const double above = Objective(changed);
    parameter = value - kStep;
    const double below = Objective(changed);
    parameter = value;
    // With a learning rate and an accumulator of 1, a step is -g / sqrt(1 + g^2).
    EXPECT_NEAR(-step / std::sqrt(1.0 - step * step), (above - below) / (2 * kStep), 5e-4);
  }
};

TEST_P(FieldGradientTest, AStepFollowsTheFiniteDifferencesOfTheLoss) {
  const LearnerOptions options = {
      .task = task(),
      .k = std::get<1>(GetParam()),
      .learning_rate = 1.0,
      .l2_linear = 0.02,
      .l2_factors = 0.03,
      .init_stddev = 0.25,
      .init_accumulator = 1.0,
      .field = {.rank = std::get<2>(GetParam()), .learning_rate = 1.0, .init_stddev = 0.5}};
  Examples examples;
  Append(entries_, 1.0F, examples);
  Learner learner = MakeLearner(options, std::vector<float>{0.0F, 1.0F});
  const Parameters before = learner.parameters();
  LearnAll(examples, learner);
  const Parameters after = learner.parameters();

  Parameters changed = before;
  for (const Entry& entry : entries_) {
    const size_t row = entry.row;
    ExpectStep(changed.w[row], after.w[row] - before.w[row], changed);
    for (uint32_t f = 0; f < options.k; ++f) {
      ExpectStep(changed.factors(row)[f], after.factors(row)[f] - before.factors(row)[f], changed);
    }
  }
  model::FieldMatrix& matrix = *changed.field_matrix;
  const auto step_of = [](const std::vector<float>& from, const std::vector<float>& to, size_t i) {
    return double{to[i]} - from[i];
  };
  for (size_t i = 0; i < matrix.scales.size(); ++i)
    ExpectStep(matrix.scales[i],
               step_of(before.field_matrix->scales, after.field_matrix->scales, i), changed);
  for (size_t i = 0; i < matrix.factors.size(); ++i)
    ExpectStep(matrix.factors[i],
               step_of(before.field_matrix->factors, after.field_matrix->factors, i), changed);
  EXPECT_TRUE(
      std::ranges::equal(after.field_matrix->factors_of(2), before.field_matrix->factors_of(2)))
      << "a field that the example lacks";
}

INSTANTIATE_TEST_SUITE_P(
    TasksAndSizes, FieldGradientTest,
    testing::Combine(testing::Values(model::Task::kBinary, model::Task::kRegression),
                     testing::Values(1U, 3U, 8U, 16U, 20U), testing::Values(1U, 3U, 4U, 6U)));

// Clicks of a hidden model: features of fields 0 and 1, and of 2 and 3, attract each other, those
// of 0 and 2, and of 1 and 3, repel each other, and the others do not interact.
struct HiddenFieldWeighted {
  Parameters parameters;
  std::mt19937_64 random{11};

  HiddenFieldWeighted() {
    std::normal_distribution<float> normal;
    parameters.k = 3;
    parameters.w0 = -0.5;
    for (uint32_t row = 0; row < kRowsCount; ++row) {
      parameters.w.push_back(0.3F * normal(random));
      for (uint32_t f = 0; f < parameters.k; ++f) parameters.v.push_back(0.8F * normal(random));
    }
    // (0 + 3)(1 + 2) with each sign: R(0, 1) = R(2, 3) = 1, R(0, 2) = R(1, 3) = -1.
    parameters.field_matrix =
        model::FieldMatrix{.rank = 2,
                           .scales = {0.5F, -0.5F},
                           .factors = {1.0F, 1.0F, 1.0F, -1.0F, -1.0F, 1.0F, -1.0F, -1.0F}};
  }

  Examples Draw(size_t size) {
    Examples examples;
    for (size_t i = 0; i < size; ++i) {
      std::vector<Entry> entries;
      for (uint32_t field = 0; field < kFieldsCount; ++field) {
        const auto value = static_cast<uint32_t>(random() % kValuesPerField);
        entries.push_back({field * kValuesPerField + value, 1.0F});
      }
      const double p = 1.0 / (1.0 + std::exp(-ScoreOfEntries(parameters, entries)));
      Append(entries, std::bernoulli_distribution(p)(random) ? 1.0F : 0.0F, examples);
    }
    return examples;
  }
};

double MeanLogloss(const Parameters& parameters, const Examples& examples) {
  double sum = 0.0;
  for (size_t i = 0; i < examples.size(); ++i) {
    sum += LossOfScore(model::Task::kBinary, ScoreOfEntries(parameters, examples[i]),
                       examples.labels[i]);
  }
  return sum / static_cast<double>(examples.size());
}

FitOptions FieldOptionsForTests() {
  FitOptions options;
  options.learner = {.k = 4,
                     .learning_rate = 0.1,
                     .l2_linear = 1e-4,
                     .l2_factors = 1e-3,
                     .init_stddev = 0.1,
                     .field = {.rank = 3, .learning_rate = 0.05}};
  options.epochs = 40;
  return options;
}

TEST(HiddenFieldWeightedTest, TheMatrixIsTheOneThatItsCommentTells) {
  const model::FieldMatrix matrix = *HiddenFieldWeighted().parameters.field_matrix;
  EXPECT_EQ(matrix.Weight(0, 1), 1.0);
  EXPECT_EQ(matrix.Weight(2, 3), 1.0);
  EXPECT_EQ(matrix.Weight(0, 2), -1.0);
  EXPECT_EQ(matrix.Weight(1, 3), -1.0);
  EXPECT_EQ(matrix.Weight(0, 3), 0.0);
  EXPECT_EQ(matrix.Weight(1, 2), 0.0);
}

TEST(FieldFitTest, FindsHiddenFieldWeightsThatAnFmOfTheSameSizeCannotHave) {
  HiddenFieldWeighted hidden;
  const Examples train = hidden.Draw(40000);
  const Examples valid = hidden.Draw(8000);
  const Examples test = hidden.Draw(20000);
  FitOptions options = FieldOptionsForTests();
  const double field_weighted = MeanLogloss(FitTo(options, train, &valid).parameters, test);
  options.learner.field.rank = 0;
  const Parameters plain = FitTo(options, train, &valid).parameters;
  EXPECT_FALSE(plain.field_matrix);
  const double bayes = MeanLogloss(hidden.parameters, test);
  EXPECT_LT(field_weighted, bayes + 0.01);
  EXPECT_GT(MeanLogloss(plain, test), field_weighted + 0.01);
}

TEST(FieldFitTest, KeepsTheMatrixOfTheBestEpoch) {
  HiddenFieldWeighted hidden;
  const Examples train = hidden.Draw(300);  // few: it overfits
  const Examples valid = hidden.Draw(3000);
  FitOptions options = FieldOptionsForTests();
  options.learner.l2_factors = 0.0;
  const FitResult result = FitTo(options, train, &valid);
  ASSERT_LT(result.best_epoch, result.epochs.size());
  EXPECT_NEAR(MeanLogloss(result.parameters, valid), *result.best().valid->logloss, 1e-5);
}

TEST(FieldFitTest, OneThreadAndOneSeedRepeatThemselvesBitByBit) {
  HiddenFieldWeighted hidden;
  const Examples train = hidden.Draw(2000);
  FitOptions options = FieldOptionsForTests();
  options.epochs = 3;
  const Parameters first = FitTo(options, train, nullptr).parameters;
  const Parameters again = FitTo(options, train, nullptr).parameters;
  EXPECT_EQ(first.v, again.v);
  EXPECT_EQ(first.field_matrix, again.field_matrix);
  options.learner.seed = 2;
  const Parameters other = FitTo(options, train, nullptr).parameters;
  EXPECT_NE(first.field_matrix->factors, other.field_matrix->factors);
}

TEST(FieldFitTest, TwoThreadsLearnAsWellAsOne) {
  HiddenFieldWeighted hidden;
  const Examples train = hidden.Draw(30000);
  const Examples valid = hidden.Draw(10000);
  FitOptions options = FieldOptionsForTests();
  const FitResult one = FitTo(options, train, &valid);
  options.learner.threads = 2;
  const FitResult two = FitTo(options, train, &valid);
  EXPECT_NEAR(*two.best().valid->logloss, *one.best().valid->logloss, 0.005);
}

TEST(FieldLearnerTest, OfRankOneStartsAsAnFm) {
  HiddenFieldWeighted hidden;
  const Examples examples = hidden.Draw(50);
  const LearnerOptions plain = {.k = 5, .init_stddev = 0.5};
  LearnerOptions field_weighted = plain;
  field_weighted.field.rank = 1;
  std::vector<float> expected(examples.size());
  std::vector<float> predictions(examples.size());
  MakeLearner(plain, examples.labels).Predict(examples, expected);
  MakeLearner(field_weighted, examples.labels).Predict(examples, predictions);
  for (size_t i = 0; i < examples.size(); ++i) EXPECT_NEAR(predictions[i], expected[i], 1e-6);
}

TEST(FieldLearnerTest, PredictsTheLinkOfTheDoubleSum) {
  HiddenFieldWeighted hidden;
  const Examples examples = hidden.Draw(300);
  for (const uint32_t k : {3U, 16U}) {
    for (const uint32_t threads : {1U, 3U}) {
      Learner learner = MakeLearner(
          {.k = k, .init_stddev = 0.5, .field = {.rank = 5}, .threads = threads}, examples.labels);
      LearnAll(examples, learner);
      std::vector<float> predictions(examples.size());
      learner.Predict(examples, predictions);
      const Parameters parameters = learner.parameters();
      for (size_t i = 0; i < examples.size(); ++i) {
        const double score = ScoreOfEntries(parameters, examples[i]);
        EXPECT_NEAR(predictions[i], 1.0 / (1.0 + std::exp(-score)), 2e-6);
      }
    }
  }
}

TEST(FieldLearnerTest, LinearWeightsTakeStepsOfTheirOwnSizeWhenAsked) {
  Examples examples;
  Append({{0, 1.0F}, {10, 1.0F}}, 1.0F, examples);
  const auto step = [&](std::optional<double> rate) {
    Learner learner = MakeLearner({.k = 4,
                                   .learning_rate = 0.1,
                                   .linear_learning_rate = rate,
                                   .init_accumulator = 1.0,
                                   .field = {.rank = 2}},
                                  std::vector<float>{0.0F, 1.0F});
    const Parameters before = learner.parameters();
    LearnAll(examples, learner);
    const Parameters after = learner.parameters();
    return std::pair(after.w[0] - before.w[0], after.v[0] - before.v[0]);
  };
  EXPECT_GT(step(0.1).first, 0.0F);
  EXPECT_EQ(step(std::nullopt), step(0.1));
  EXPECT_NEAR(step(0.2).first, 2.0F * step(0.1).first, 1e-6);
  EXPECT_EQ(step(0.2).second, step(0.1).second);
}

}  // namespace
}  // namespace fmserve::trainer
