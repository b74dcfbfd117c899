#include "trainer/gibbs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace fmserve::trainer {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kFields = 3;
constexpr uint32_t kValues = 15;
constexpr double kNoise = 0.5;

// Numbers that a hidden FM makes of one value per field, with noise.
struct HiddenFm {
  Parameters parameters;
  std::vector<uint8_t> fields;
  std::mt19937_64 random{7};

  HiddenFm() {
    std::normal_distribution<float> normal;
    parameters.k = 2;
    parameters.w0 = 3.0;
    for (uint32_t row = 0; row < kFields * kValues; ++row) {
      fields.push_back(static_cast<uint8_t>(row / kValues));
      parameters.w.push_back(0.5F * normal(random));
      for (uint32_t f = 0; f < parameters.k; ++f) parameters.v.push_back(0.7F * normal(random));
    }
  }

  Examples Draw(size_t size) {
    std::normal_distribution<double> noise(0.0, kNoise);
    Examples examples;
    for (size_t i = 0; i < size; ++i) {
      for (uint32_t field = 0; field < kFields; ++field) {
        examples.entries.push_back(
            {static_cast<uint32_t>(field * kValues + random() % kValues), 1.0F});
      }
      examples.ends.push_back(examples.entries.size());
      const std::span<const Entry> entries(examples.entries.end() - kFields,
                                           examples.entries.end());
      examples.labels.push_back(static_cast<float>(Score(parameters, entries) + noise(random)));
    }
    return examples;
  }
};

double NoiseOf(const HiddenFm& hidden, const Examples& examples) {
  double sum = 0.0;
  for (size_t i = 0; i < examples.size(); ++i) {
    const double error = Score(hidden.parameters, examples[i]) - examples.labels[i];
    sum += error * error;
  }
  return std::sqrt(sum / static_cast<double>(examples.size()));
}

TEST(GibbsTest, RecoversAHiddenFmToItsNoise) {
  HiddenFm hidden;
  const Examples train = hidden.Draw(6000);
  const Examples valid = hidden.Draw(3000);
  const auto result = SampleGibbs({.k = 2, .draws = 60}, hidden.fields, train, &valid, {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_LT(*result->epochs.back().bayesian_rmse, 1.03 * NoiseOf(hidden, valid));
  EXPECT_LT(*result->best().valid->rmse, 1.03 * NoiseOf(hidden, valid));
  EXPECT_EQ(result->epochs.size(), 80U);
  EXPECT_FALSE(result->epochs[19].valid) << "of the burn-in";
}

TEST(GibbsTest, TheMeanOfManyDrawsPredictsBetterThanTheDrawsDo) {
  HiddenFm hidden;
  const Examples train = hidden.Draw(400);  // few: draws differ
  const Examples valid = hidden.Draw(3000);
  std::vector<double> single;
  for (uint32_t burn_in = 20; burn_in < 25; ++burn_in) {
    const auto one =
        SampleGibbs({.k = 2, .draws = 1, .burn_in = burn_in}, hidden.fields, train, &valid, {});
    ASSERT_TRUE(one.ok()) << one.status();
    EXPECT_NEAR(*one->best().valid->rmse, *one->best().bayesian_rmse, 1e-6)
        << "one draw is its mean";
    single.push_back(*one->best().valid->rmse);
  }
  const auto many = SampleGibbs({.k = 2, .draws = 100}, hidden.fields, train, &valid, {});
  ASSERT_TRUE(many.ok()) << many.status();
  for (const double rmse : single) EXPECT_LT(*many->epochs.back().bayesian_rmse, rmse);
}

// One feature in half of the examples: the posterior of w is normal around the difference of the
// means, as wide as its standard error.
TEST(GibbsTest, DrawsOfALinearWeightHaveItsPosteriorDistribution) {
  std::mt19937_64 random(3);
  std::normal_distribution<float> noise(0.0F, 1.0F);
  Examples train;
  for (int i = 0; i < 400; ++i) {
    if (i % 2 == 0) train.entries.push_back({0, 1.0F});
    train.ends.push_back(train.entries.size());
    train.labels.push_back((i % 2 == 0 ? 2.0F : 0.0F) + noise(random));
  }
  double sum = 0.0;
  double squares = 0.0;
  constexpr int kChains = 60;
  for (int seed = 0; seed < kChains; ++seed) {
    const auto result =
        SampleGibbs({.k = 1, .draws = 1, .burn_in = 60, .seed = static_cast<uint64_t>(seed)},
                    std::vector<uint8_t>{0}, train, nullptr, {});
    ASSERT_TRUE(result.ok()) << result.status();
    sum += result->parameters.w[0];
    squares += double{result->parameters.w[0]} * result->parameters.w[0];
  }
  const double mean = sum / kChains;
  const double deviation = std::sqrt(squares / kChains - mean * mean);
  EXPECT_NEAR(mean, 2.0, 0.2);
  EXPECT_NEAR(deviation, std::sqrt(1.0 / 200 + 1.0 / 200), 0.04);
}

TEST(GibbsTest, OneSeedRepeatsItself) {
  HiddenFm hidden;
  const Examples train = hidden.Draw(300);
  const auto sample = [&](uint64_t seed) {
    return SampleGibbs({.k = 2, .draws = 5, .seed = seed}, hidden.fields, train, nullptr, {})
        ->parameters;
  };
  EXPECT_EQ(sample(1).v, sample(1).v);
  EXPECT_NE(sample(1).v, sample(2).v);
  EXPECT_EQ(sample(1).rows(), hidden.fields.size());
}

TEST(GibbsTest, KeepsTheMeansThatDoBestOnValidation) {
  HiddenFm hidden;
  const Examples train = hidden.Draw(200);
  const Examples valid = hidden.Draw(500);
  const auto result = SampleGibbs({.k = 4, .draws = 80}, hidden.fields, train, &valid, {});
  ASSERT_TRUE(result.ok()) << result.status();
  double sum = 0.0;
  for (size_t i = 0; i < valid.size(); ++i) {
    const double error = Score(result->parameters, valid[i]) - valid.labels[i];
    sum += error * error;
  }
  EXPECT_NEAR(std::sqrt(sum / 500), *result->best().valid->rmse, 1e-5);
  for (const EpochReport& report : result->epochs) {
    if (report.valid) {
      EXPECT_GE(*report.valid->rmse, *result->best().valid->rmse);
    }
  }
}

TEST(GibbsTest, RefusesWhatItCannotLearnFrom) {
  Examples twice;
  twice.labels = {1.0F, 2.0F};
  twice.entries = {{0, 1.0F}, {0, 1.0F}};
  twice.ends = {0, 2};
  const std::vector<uint8_t> fields = {0};
  EXPECT_THAT(std::string(SampleGibbs({}, fields, twice, nullptr, {}).status().message()),
              HasSubstr("row 2 of the training data has a feature twice"));
  Examples weighted;
  weighted.labels = {1.0F};
  weighted.weights = {2.0F};
  weighted.ends = {0};
  EXPECT_THAT(std::string(SampleGibbs({}, fields, weighted, nullptr, {}).status().message()),
              HasSubstr("no weights"));
}

}  // namespace
}  // namespace fmserve::trainer
