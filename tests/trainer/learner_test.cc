#include "trainer/learner.h"
#include "tests/trainer/learn_all.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

#include "trainer/fit.h"
#include "trainer/metrics.h"
#include "trainer/parameters.h"

namespace fmserve::trainer {
namespace {

void Add(std::vector<Entry> entries, float label, Examples& examples) {
  examples.entries.insert(examples.entries.end(), entries.begin(), entries.end());
  examples.ends.push_back(examples.entries.size());
  examples.labels.push_back(label);
}

std::vector<uint64_t> Keys(size_t count) {
  std::vector<uint64_t> keys(count);
  std::iota(keys.begin(), keys.end(), 1U);
  return keys;
}

double LossOf(model::Task task, double score, double label) {
  if (task == model::Task::kRegression) return 0.5 * (score - label) * (score - label);
  return std::log1p(std::exp(label > 0.5 ? -score : score));
}

// With a learning rate and an accumulator of 1, a step is -g / sqrt(1 + g^2).
double GradientOfStep(double step) { return -step / std::sqrt(1.0 - step * step); }

class GradientTest : public testing::TestWithParam<std::tuple<model::Task, uint32_t>> {
 protected:
  model::Task task() const { return std::get<0>(GetParam()); }
  uint32_t k() const { return std::get<1>(GetParam()); }

  LearnerOptions Options() const {
    return {.task = task(),
            .k = k(),
            .learning_rate = 1.0,
            .l2_linear = 0.02,
            .l2_factors = 0.03,
            .init_stddev = 0.3,
            .init_accumulator = 1.0};
  }

  // Loss of the example plus the penalty on the features that it has.
  double Objective(const Parameters& parameters, std::span<const Entry> entries,
                   float label) const {
    double objective = LossOf(task(), Score(parameters, entries), label);
    for (const Entry& entry : entries) {
      objective += 0.5 * 0.02 * parameters.w[entry.row] * parameters.w[entry.row];
      for (const float v : parameters.factors(entry.row)) objective += 0.5 * 0.03 * v * v;
    }
    return objective;
  }
};

TEST_P(GradientTest, AStepFollowsTheFiniteDifferencesOfTheLoss) {
  Examples examples;
  Add({{0, 1.0F}, {2, -0.5F}, {3, 2.0F}}, 1.0F, examples);
  const std::vector<float> two_labels = {0.0F, 1.0F};
  Learner learner(Options(), Keys(4), LabelTotals::Of(two_labels));
  const Parameters before = learner.parameters();
  LearnAll(examples, learner);
  const Parameters after = learner.parameters();

  const auto expect_gradient = [&](float& parameter, double step, const Parameters& changed) {
    constexpr float kStep = 1.0F / 256;
    const float value = parameter;
    parameter = value + kStep;
    const double above = Objective(changed, examples[0], 1.0F);
    parameter = value - kStep;
    const double below = Objective(changed, examples[0], 1.0F);
    parameter = value;
    EXPECT_NEAR(GradientOfStep(step), (above - below) / (2 * kStep), 2e-4);
  };
  Parameters changed = before;
  for (const Entry& entry : examples[0]) {
    const size_t row = entry.row;
    expect_gradient(changed.w[row], after.w[row] - before.w[row], changed);
    for (uint32_t f = 0; f < k(); ++f) {
      expect_gradient(changed.factors(row)[f], after.factors(row)[f] - before.factors(row)[f],
                      changed);
    }
  }
  EXPECT_EQ(after.w[1], before.w[1]) << "a feature that the example lacks";
}

INSTANTIATE_TEST_SUITE_P(TasksAndSizes, GradientTest,
                         testing::Combine(testing::Values(model::Task::kBinary,
                                                          model::Task::kRegression),
                                          testing::Values(1U, 3U, 8U, 12U, 16U, 20U, 32U, 40U)));

// Clicks of a hidden FM: 5 fields of 12 values each.
struct HiddenFm {
  static constexpr uint32_t kFields = 5;
  static constexpr uint32_t kValues = 12;
  Parameters parameters;
  std::mt19937_64 random{7};

  HiddenFm() {
    std::normal_distribution<float> normal;
    parameters.k = 3;
    parameters.w0 = -0.5;
    for (uint32_t row = 0; row < kFields * kValues; ++row) {
      parameters.w.push_back(0.3F * normal(random));
      for (uint32_t f = 0; f < parameters.k; ++f) parameters.v.push_back(0.6F * normal(random));
    }
  }

  Examples Draw(size_t size) {
    Examples examples;
    for (size_t i = 0; i < size; ++i) {
      std::vector<Entry> entries;
      for (uint32_t field = 0; field < kFields; ++field) {
        entries.push_back({static_cast<uint32_t>(field * kValues + random() % kValues), 1.0F});
      }
      const double p = 1.0 / (1.0 + std::exp(-Score(parameters, entries)));
      Add(entries, std::bernoulli_distribution(p)(random) ? 1.0F : 0.0F, examples);
    }
    return examples;
  }

  double BayesLogloss(const Examples& examples) const {
    double sum = 0.0;
    for (size_t i = 0; i < examples.size(); ++i) {
      sum += LossOf(model::Task::kBinary, Score(parameters, examples[i]), examples.labels[i]);
    }
    return sum / static_cast<double>(examples.size());
  }
};

FitOptions QuickOptions() {
  FitOptions options;
  options.learner = {
      .k = 8, .learning_rate = 0.1, .l2_linear = 1e-4, .l2_factors = 2e-3, .init_stddev = 0.1};
  options.epochs = 40;
  return options;
}

double TestLogloss(const Parameters& parameters, const Examples& examples) {
  double sum = 0.0;
  for (size_t i = 0; i < examples.size(); ++i) {
    sum += LossOf(model::Task::kBinary, Score(parameters, examples[i]), examples.labels[i]);
  }
  return sum / static_cast<double>(examples.size());
}

TEST(FitTest, RecoversAHiddenFmToTheNoiseOfItsClicks) {
  HiddenFm hidden;
  const Examples train = hidden.Draw(60000);
  const Examples valid = hidden.Draw(10000);
  const Examples test = hidden.Draw(20000);
  const FitResult result = Fit(QuickOptions(), {Keys(hidden.parameters.rows()), train, &valid}, {});
  EXPECT_LT(TestLogloss(result.parameters, test), hidden.BayesLogloss(test) + 0.01);
}

TEST(FitTest, TwoThreadsLearnAsWellAsOne) {
  HiddenFm hidden;
  const Examples train = hidden.Draw(30000);
  const Examples valid = hidden.Draw(10000);
  FitOptions options = QuickOptions();
  const FitResult one = Fit(options, {Keys(hidden.parameters.rows()), train, &valid}, {});
  options.learner.threads = 2;
  const FitResult two = Fit(options, {Keys(hidden.parameters.rows()), train, &valid}, {});
  EXPECT_NEAR(*two.best().valid->logloss, *one.best().valid->logloss, 0.005);
}

TEST(FitTest, OneThreadAndOneSeedRepeatThemselvesBitByBit) {
  HiddenFm hidden;
  const Examples train = hidden.Draw(2000);
  FitOptions options = QuickOptions();
  options.epochs = 3;
  const FitResult first = Fit(options, {Keys(hidden.parameters.rows()), train}, {});
  const FitResult again = Fit(options, {Keys(hidden.parameters.rows()), train}, {});
  EXPECT_EQ(first.parameters.w0, again.parameters.w0);
  EXPECT_EQ(first.parameters.w, again.parameters.w);
  EXPECT_EQ(first.parameters.v, again.parameters.v);
  options.learner.seed = 2;
  const FitResult other = Fit(options, {Keys(hidden.parameters.rows()), train}, {});
  EXPECT_NE(first.parameters.v, other.parameters.v);
}

TEST(FitTest, StopsWhenValidationGetsNoBetterAndKeepsTheBestEpoch) {
  HiddenFm hidden;
  const Examples train = hidden.Draw(300);  // few: it overfits
  const Examples valid = hidden.Draw(3000);
  FitOptions options = QuickOptions();
  options.learner.l2_factors = 0.0;
  options.epochs = 200;
  options.patience = 3;
  const FitResult result = Fit(options, {Keys(hidden.parameters.rows()), train, &valid}, {});
  ASSERT_LT(result.epochs.size(), 200U);
  EXPECT_EQ(result.epochs.size(), result.best_epoch + options.patience);
  for (const EpochReport& report : result.epochs) {
    EXPECT_GE(*report.valid->logloss, *result.best().valid->logloss);
  }
  EXPECT_NEAR(TestLogloss(result.parameters, valid), *result.best().valid->logloss, 1e-5)
      << "the parameters are not those of the best epoch";
}

TEST(FitTest, WithoutValidationRunsAllEpochs) {
  HiddenFm hidden;
  const Examples train = hidden.Draw(500);
  FitOptions options = QuickOptions();
  options.epochs = 4;
  const FitResult result = Fit(options, {Keys(hidden.parameters.rows()), train}, {});
  EXPECT_EQ(result.epochs.size(), 4U);
  EXPECT_EQ(result.best_epoch, 4U);
  EXPECT_EQ(result.parameters.rows(), hidden.parameters.rows());
}

TEST(FitTest, EndsInTheEpochWhoseLossIsNoNumber) {
  Examples train;
  for (int i = 0; i < 100; ++i) Add({{0, 1e30F}, {1, 1e30F}}, static_cast<float>(i % 2), train);
  for (const Examples* valid : {static_cast<const Examples*>(nullptr), &std::as_const(train)}) {
    const FitResult result = Fit(QuickOptions(), {Keys(2), train, valid}, {});
    EXPECT_EQ(result.epochs.size(), 1U);
    EXPECT_EQ(result.best_epoch, 0U);
  }
}

TEST(FitTest, WithoutValidationAnEarlierEpochIsNoSubstituteForTheLast) {
  Examples train;  // the loss is taken before the step, so that of the first epoch is a number
  Add({{0, 1.0F}, {1, 1.0F}}, 1.0F, train);
  FitOptions options = QuickOptions();
  options.learner.learning_rate = 1e30F;
  options.epochs = 3;
  const FitResult result = Fit(options, {Keys(2), train}, {});
  ASSERT_TRUE(std::isfinite(result.epochs.front().train_loss));
  ASSERT_FALSE(std::isfinite(result.epochs.back().train_loss));
  EXPECT_EQ(result.best_epoch, 0U);
}

TEST(FitTest, NegativesThatWereLeftOutAreMadeUpFor) {
  HiddenFm hidden;
  const Examples all = hidden.Draw(60000);
  const Examples test = hidden.Draw(20000);
  Examples sampled;
  for (size_t i = 0; i < all.size(); ++i) {
    if (all.labels[i] == 0.0F && i % 5 != 0) continue;
    Add({all[i].begin(), all[i].end()}, all.labels[i], sampled);
  }
  FitOptions options = QuickOptions();
  options.learner.negatives = 0.2;
  const FitResult result = Fit(options, {Keys(hidden.parameters.rows()), sampled, &test}, {});
  EXPECT_NEAR(*result.best().valid->calibration, 1.0, 0.03);
  EXPECT_LT(TestLogloss(result.parameters, test), hidden.BayesLogloss(test) + 0.015);
  EXPECT_NEAR(TestLogloss(result.parameters, test), *result.best().valid->logloss, 1e-5)
      << "predictions and parameters are two models";
}

TEST(FitTest, KeepsTheEpochWithTheBestAucWhenAsked) {
  HiddenFm hidden;
  const Examples train = hidden.Draw(300);
  const Examples valid = hidden.Draw(1000);
  FitOptions options = QuickOptions();
  options.learner.l2_factors = 0.0;
  options.patience = options.epochs;
  const std::vector<uint64_t> keys = Keys(hidden.parameters.rows());
  const FitResult by_loss = Fit(options, {keys, train, &valid}, {});
  options.stop_on = StopMetric::kAuc;
  const FitResult by_auc = Fit(options, {keys, train, &valid}, {});
  ASSERT_NE(by_auc.best_epoch, by_loss.best_epoch) << "the test tells nothing";
  for (const EpochReport& report : by_auc.epochs)
    EXPECT_LE(*report.valid->auc, *by_auc.best().valid->auc);
}

TEST(FitTest, StepsShrinkAfterEachEpochWhenAsked) {
  HiddenFm hidden;
  const Examples train = hidden.Draw(500);
  const std::vector<uint64_t> keys = Keys(hidden.parameters.rows());
  const auto distance = [&](double step_decay) {
    FitOptions options = QuickOptions();
    options.learner.step_decay = step_decay;
    options.epochs = 1;
    const FitResult one = Fit(options, {keys, train}, {});
    options.epochs = 2;
    const FitResult two = Fit(options, {keys, train}, {});
    double sum = 0.0;
    for (size_t i = 0; i < keys.size(); ++i)
      sum += std::abs(one.parameters.w[i] - two.parameters.w[i]);
    return sum;
  };
  EXPECT_LT(distance(0.01), 0.05 * distance(1.0));
}

TEST(LearnerTest, AnExampleCountsAsMuchAsItsWeight) {
  const auto gradient = [](float weight) {
    Examples examples;
    Add({{0, 1.0F}, {1, 0.5F}}, 1.0F, examples);
    examples.weights = {weight};
    const std::vector<float> labels = {0.0F, 1.0F};
    Learner learner({.k = 4,
                     .learning_rate = 1.0,
                     .l2_linear = 0.02,
                     .l2_factors = 0.03,
                     .init_stddev = 0.3,
                     .init_accumulator = 1.0},
                    Keys(2), LabelTotals::Of(labels));
    const Parameters before = learner.parameters();
    LearnAll(examples, learner);
    const Parameters after = learner.parameters();
    return std::pair(GradientOfStep(after.w[1] - before.w[1]),
                     GradientOfStep(after.v[5] - before.v[5]));
  };
  const auto [w, v] = gradient(1.0F);
  EXPECT_NEAR(gradient(2.0F).first, 2 * w, 1e-4);
  EXPECT_NEAR(gradient(2.0F).second, 2 * v, 1e-4);
  EXPECT_EQ(gradient(0.0F).first, 0.0);
  EXPECT_EQ(gradient(0.0F).second, 0.0);
}

TEST(LearnerTest, TheMeanLossIsThatOfTheWeights) {
  Examples examples;
  Add({{0, 1.0F}}, 3.0F, examples);
  Add({{1, 1.0F}}, 5.0F, examples);
  examples.weights = {3.0F, 1.0F};
  Learner learner({.task = model::Task::kRegression, .k = 1, .learning_rate = 1e-9}, Keys(2),
                  LabelTotals::Of(examples.labels, examples.weights));
  EXPECT_EQ(learner.parameters().w0, 3.5);
  EXPECT_NEAR(LearnAll(examples, learner), (3 * 0.5 * 0.25 + 0.5 * 2.25) / 4, 1e-4);
}

TEST(LearnerTest, StartsAtTheConstantThatFitsBest) {
  const std::vector<float> clicks = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_NEAR(Learner({.k = 1}, Keys(1), LabelTotals::Of(clicks)).parameters().w0,
              std::log(1.5 / 9.5), 1e-6);
  const std::vector<float> stars = {1, 5, 3, 5};
  EXPECT_EQ(Learner({.task = model::Task::kRegression, .k = 1}, Keys(1), LabelTotals::Of(stars))
                .parameters()
                .w0,
            3.5);
}

TEST(LearnerTest, PredictsTheLinkOfTheScore) {
  Examples examples;
  for (int i = 0; i < 1000; ++i) Add({{0, 1.0F}, {1, 0.5F}}, static_cast<float>(i % 2), examples);
  for (const uint32_t threads : {1U, 3U}) {
    Learner learner({.k = 5, .init_stddev = 0.5, .threads = threads}, Keys(2),
                    LabelTotals::Of(examples.labels));
    std::vector<float> predictions(examples.size());
    learner.Predict(examples, predictions);
    const double score = Score(learner.parameters(), examples[0]);
    for (const float p : predictions) EXPECT_NEAR(p, 1.0 / (1.0 + std::exp(-score)), 1e-6);
  }
}

TEST(LearnerTest, AFeatureStartsTheSameInEveryLogWithTheSameSeed) {
  const std::vector<float> labels = {0.0F, 1.0F};
  const LearnerOptions options = {.k = 5, .seed = 3};
  const Parameters here =
      Learner(options, std::vector<uint64_t>{11, 22, 33}, LabelTotals::Of(labels)).parameters();
  const Parameters there =
      Learner(options, std::vector<uint64_t>{33, 11}, LabelTotals::Of(labels)).parameters();
  EXPECT_TRUE(std::ranges::equal(here.factors(0), there.factors(1)));
  EXPECT_TRUE(std::ranges::equal(here.factors(2), there.factors(0)));
  EXPECT_FALSE(std::ranges::equal(here.factors(0), here.factors(1)));
  const Parameters other =
      Learner({.k = 5, .seed = 4}, std::vector<uint64_t>{11}, LabelTotals::Of(labels)).parameters();
  EXPECT_FALSE(std::ranges::equal(here.factors(0), other.factors(0)));
}

TEST(LearnerTest, FactorsStartWithTheDeviationAskedFor) {
  const Parameters start =
      Learner({.k = 16, .init_stddev = 0.5}, Keys(5000), LabelTotals{.weights = 1.0, .labels = 1.0})
          .parameters();
  double sum = 0.0;
  double squares = 0.0;
  for (const float v : start.v) {
    sum += v;
    squares += double{v} * v;
  }
  const auto count = static_cast<double>(start.v.size());
  EXPECT_NEAR(sum / count, 0.0, 0.01);
  EXPECT_NEAR(std::sqrt(squares / count), 0.5, 0.01);
}

}  // namespace
}  // namespace fmserve::trainer
