#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "model/scorer.h"
#include "tests/model/test_model.h"

namespace fmserve::model {
namespace {

using ::testing::ElementsAre;

TEST(ExplainTest, NamesEveryTermAndPairAndSumsToTheScore) {
  TestModel model(Quantization::kF32, 2, 0.5);
  model.AddRow(kUser, 1, 1.0F, {1.0F, 2.0F});
  model.AddRow(kAd, 7, 2.0F, {3.0F, -1.0F});
  model.AddRareRow(0.25F, {-1.0F, 1.0F});
  const auto file = model.Open();
  FeatureList context;
  AddFeature(context, kUser, 1, 2.0F);
  FeatureList candidate;
  AddFeature(candidate, kAd, 7);
  AddFeature(candidate, kTag, 99);  // rare
  AddFeature(candidate, kAd, 98);   // nothing

  const Explanation explanation =
      Scorer(*file, *SupportedKernels().back()).Explain(context.view(), candidate.view());

  EXPECT_EQ(explanation.w0, 0.5);
  EXPECT_THAT(explanation.known, ElementsAre(true, true, false, false));
  std::vector<double> linear;
  for (const auto& term : explanation.terms) {
    EXPECT_EQ(term.feature, linear.size());
    linear.push_back(term.linear);
  }
  EXPECT_THAT(linear, ElementsAre(2.0, 2.0, 0.25, 0.0));
  std::vector<std::vector<double>> pairs;
  for (const auto& pair : explanation.pairs) {
    pairs.push_back({double(pair.first), double(pair.second), pair.interaction});
  }
  EXPECT_THAT(pairs,
              ElementsAre(ElementsAre(0, 1, 2), ElementsAre(0, 2, 2), ElementsAre(0, 3, 0),
                          ElementsAre(1, 2, -4), ElementsAre(1, 3, 0), ElementsAre(2, 3, 0)));
  EXPECT_EQ(explanation.score, 0.5 + 2.0 + 2.0 + 0.25 + 2.0 + 2.0 - 4.0);
}

TEST(ExplainTest, OfNothingIsW0) {
  TestModel model(Quantization::kInt8, 4, 0.5);
  model.AddRow(kUser, 1, 1.0F, {1.0F, 2.0F, 3.0F, 4.0F});
  const auto file = model.Open();
  const Explanation explanation = Scorer(*file, *SupportedKernels().back()).Explain({}, {});
  EXPECT_EQ(explanation.score, 0.5);
  EXPECT_TRUE(explanation.terms.empty());
  EXPECT_TRUE(explanation.pairs.empty());
}

}  // namespace
}  // namespace fmserve::model
