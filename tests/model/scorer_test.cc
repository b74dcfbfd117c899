#include "model/scorer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "model/quantization.h"
#include "tests/model/test_model.h"

namespace fmserve::model {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr Quantization kQuantizations[] = {Quantization::kF32, Quantization::kF16,
                                           Quantization::kInt8};

const KernelTable& Fastest() { return *SupportedKernels().back(); }

// The candidates of a call: features one after the other, and how many each has.
struct Candidates {
  FeatureList features;
  std::vector<uint32_t> lengths;

  void Add(const std::vector<std::pair<uint8_t, int64_t>>& list) {
    for (const auto& [field, value] : list) AddFeature(features, field, value);
    lengths.push_back(static_cast<uint32_t>(list.size()));
  }
};

std::vector<float> Score(const Scorer& scorer, const FeatureList& context,
                         const Candidates& candidates, Scratch& scratch) {
  std::vector<float> scores(candidates.lengths.size());
  scorer.ScoreContext(context.view(), scratch);
  scorer.ScoreCandidates(candidates.features.view(), candidates.lengths, scratch, scores);
  return scores;
}

// Numbers small enough to score by hand, exact in every encoding.
//   w0 = 0.5   user 1: w 1, v (1, 2)   ad 7: w 2, v (3, -1)   ad 8: w -1, v (0, 4)   tag 5: w 4, v
//   (2, 2)
class HandScorerTest : public ::testing::TestWithParam<const KernelTable*> {
 protected:
  static std::shared_ptr<const WeightFile> Model(bool with_rare_row) {
    TestModel model(Quantization::kF32, 2, 0.5);
    model.AddRow(kUser, 1, 1.0F, {1.0F, 2.0F});
    model.AddRow(kAd, 7, 2.0F, {3.0F, -1.0F});
    model.AddRow(kAd, 8, -1.0F, {0.0F, 4.0F});
    model.AddRow(kTag, 5, 4.0F, {2.0F, 2.0F});
    if (with_rare_row) model.AddRareRow(0.25F, {-1.0F, 1.0F});
    return model.Open();
  }

  std::vector<float> ScoreAll() { return Score(scorer_, context_, candidates_, scratch_); }

  std::shared_ptr<const WeightFile> file_ = Model(/*with_rare_row=*/false);
  Scorer scorer_{*file_, *GetParam()};
  Scratch scratch_;
  FeatureList context_;
  Candidates candidates_;
};

TEST_P(HandScorerTest, AddsLinearPartsAndInteractionsOfContextAndCandidate) {
  AddFeature(context_, kUser, 1);
  candidates_.Add({{kAd, 7}});             // 0.5 + 1 + 2 + <(1,2),(3,-1)> = 4.5
  candidates_.Add({{kAd, 8}, {kTag, 5}});  // 0.5 + 1 - 1 + 4 + 8 + 6 + 8 = 26.5
  EXPECT_THAT(ScoreAll(), ElementsAre(4.5F, 26.5F));
}

TEST_P(HandScorerTest, WithoutAnyFeatureTheScoreIsW0) {
  candidates_.Add({});
  EXPECT_THAT(ScoreAll(), ElementsAre(0.5F));
}

TEST_P(HandScorerTest, AnEmptyContextLeavesTheCandidateAlone) {
  candidates_.Add({{kAd, 7}, {kTag, 5}});  // 0.5 + 2 + 4 + 4
  EXPECT_THAT(ScoreAll(), ElementsAre(10.5F));
}

TEST_P(HandScorerTest, AnEmptyCandidateScoresAsTheContextAlone) {
  AddFeature(context_, kUser, 1);
  candidates_.Add({{kAd, 7}});
  candidates_.Add({});
  candidates_.Add({{kAd, 7}});
  EXPECT_THAT(ScoreAll(), ElementsAre(4.5F, 1.5F, 4.5F));
}

TEST_P(HandScorerTest, NoCandidatesGiveNoScores) {
  AddFeature(context_, kUser, 1);
  EXPECT_THAT(ScoreAll(), ElementsAre());
}

TEST_P(HandScorerTest, AFeatureThatStandsTwiceInteractsWithItself) {
  candidates_.Add({{kAd, 7}, {kAd, 7}});  // 0.5 + 2 + 2 + <(3,-1),(3,-1)>
  EXPECT_THAT(ScoreAll(), ElementsAre(14.5F));
}

TEST_P(HandScorerTest, WeightsMultiplyLinearPartsAndInteractions) {
  AddFeature(context_, kUser, 1, -2.0F);
  AddFeature(candidates_.features, kAd, 7, 0.5F);
  AddFeature(candidates_.features, kTag, 5, 0.0F);
  candidates_.lengths = {2};  // 0.5 - 2 + 1 + 0 + 1 * -2 * 0.5 + 0
  EXPECT_THAT(ScoreAll(), ElementsAre(-1.5F));
}

TEST_P(HandScorerTest, AnUnknownFeatureAddsNothingAndIsCountedForItsField) {
  AddFeature(context_, kUser, 1);
  AddFeature(context_, kUser, 999);
  candidates_.Add({{kAd, 7}, {kAd, 1000}, {kTag, 1001}});
  candidates_.Add({{kTag, 1001}, {kTag, 1002}});
  EXPECT_THAT(ScoreAll(), ElementsAre(4.5F, 1.5F));
  EXPECT_EQ(scratch_.unknown_by_field()[kUser], 1U);
  EXPECT_EQ(scratch_.unknown_by_field()[kAd], 1U);
  EXPECT_EQ(scratch_.unknown_by_field()[kTag], 3U);

  ScoreAll();
  EXPECT_EQ(scratch_.unknown_by_field()[kTag], 6U);
  scratch_.ResetUnknown();
  EXPECT_THAT(scratch_.unknown_by_field(), Each(0U));
}

TEST_P(HandScorerTest, AnUnknownFeatureAddsWhatTheRareRowOfItsFieldAdds) {
  const auto file = Model(/*with_rare_row=*/true);
  const Scorer scorer(*file, *GetParam());
  AddFeature(context_, kUser, 1);
  candidates_.Add({{kTag, 1001}});                // 0.5 + 1 + 0.25 + <(1,2),(-1,1)>
  candidates_.Add({{kAd, 1000}});                 // ads have no rare row
  candidates_.Add({{kTag, 1001}, {kTag, 1002}});  // 0.5 + 1 + 0.5 + 1 + 1 + <(-1,1),(-1,1)>
  EXPECT_THAT(Score(scorer, context_, candidates_, scratch_), ElementsAre(2.75F, 1.5F, 6.0F));
  EXPECT_EQ(scratch_.unknown_by_field()[kTag], 3U);
}

TEST_P(HandScorerTest, AFoldedItemScoresAsItsFeatures) {
  AddFeature(context_, kUser, 1);
  scorer_.ScoreContext(context_.view(), scratch_);
  FeatureList item;
  AddFeature(item, kAd, 8);
  AddFeature(item, kTag, 5);
  const FoldedItem folded = scorer_.Fold(item.view(), scratch_);
  EXPECT_EQ(folded.bias, -1.0 + 4.0 + 8.0);
  EXPECT_EQ(scorer_.ScoreFolded(folded, scratch_), 26.5F);
  EXPECT_EQ(scorer_.ScoreFolded(scorer_.Fold({}, scratch_), scratch_), 1.5F);
}

INSTANTIATE_TEST_SUITE_P(EveryKernel, HandScorerTest, ::testing::ValuesIn(SupportedKernels()),
                         [](const auto& test) { return std::string(test.param->name); });

FeatureList RandomContext(std::mt19937& random) {
  FeatureList list;
  for (size_t i = random() % 12; i > 0; --i) {
    AddFeature(list, kUser, random() % 60, random() % 2 == 0 ? 1.0F : -0.3F);
  }
  return list;
}

// About one value in six is unknown.
Candidates RandomCandidates(size_t count, std::mt19937& random) {
  Candidates candidates;
  for (size_t c = 0; c < count; ++c) {
    std::vector<std::pair<uint8_t, int64_t>> list;
    for (size_t i = random() % 9; i > 0; --i) {
      list.emplace_back(random() % 2 == 0 ? kAd : kTag, random() % 60);
    }
    candidates.Add(list);
  }
  return candidates;
}

double MagnitudeOf(const Explanation& explanation) {
  double magnitude = std::abs(explanation.w0);
  for (const auto& term : explanation.terms) magnitude += std::abs(term.linear);
  for (const auto& pair : explanation.pairs) magnitude += std::abs(pair.interaction);
  return magnitude;
}

TEST(ScorerTest, EveryKernelAndEncodingAgreesWithTheExplanationAndWithTheFoldedItem) {
  std::mt19937 random(11);
  for (const Quantization quantization : kQuantizations) {
    for (const uint32_t k : {1, 8, 16, 20, 32, 64, 256}) {
      const auto file = RandomModel(quantization, k, /*values_per_field=*/50, /*seed=*/k);
      for (const KernelTable* kernels : SupportedKernels()) {
        SCOPED_TRACE(testing::Message()
                     << kernels->name << " " << Name(quantization) << " k=" << k);
        const Scorer scorer(*file, *kernels);
        Scratch scratch;
        const FeatureList context = RandomContext(random);
        const Candidates candidates = RandomCandidates(40, random);
        const std::vector<float> scores = Score(scorer, context, candidates, scratch);
        size_t first = 0;
        for (size_t c = 0; c < scores.size(); ++c) {
          const FeatureSpan candidate =
              candidates.features.view().subspan(first, candidates.lengths[c]);
          first += candidates.lengths[c];
          const Explanation explanation = scorer.Explain(context.view(), candidate);
          const double budget = 1e-6 * MagnitudeOf(explanation);
          ASSERT_NEAR(scores[c], explanation.score, budget);
          const FoldedItem folded = scorer.Fold(candidate, scratch);
          ASSERT_NEAR(scorer.ScoreFolded(folded, scratch), explanation.score, budget);
        }
      }
    }
  }
}

TEST(ScorerTest, QuantizedScoresStayWithinTheScoreErrorBound) {
  constexpr uint32_t kK = 16;
  constexpr int64_t kValues = 50;
  const auto exact_file = RandomModel(Quantization::kF32, kK, kValues, /*seed=*/5);
  const Scorer exact(*exact_file, Fastest());
  std::mt19937 random(12);
  for (const Quantization quantization : {Quantization::kF16, Quantization::kInt8}) {
    const auto file = RandomModel(quantization, kK, kValues, /*seed=*/5);
    const Scorer quantized(*file, Fastest());
    for (int round = 0; round < 200; ++round) {
      FeatureList list;
      for (size_t i = 0; i < 12; ++i) AddFeature(list, kAd, random() % kValues, 0.5F);
      std::vector<std::vector<float>> vs(list.size(), std::vector<float>(kK));
      std::vector<WeightedRow> rows;
      for (size_t i = 0; i < list.size(); ++i) {
        const uint32_t slot = exact_file->dictionary().Find(list.keys[i]);
        ASSERT_NE(slot, kNoSlot);
        DecodeRow(Quantization::kF32, exact_file->rows().row(slot), vs[i]);
        rows.push_back({vs[i], list.xs[i]});
      }
      ASSERT_NEAR(quantized.Explain({}, list.view()).score, exact.Explain({}, list.view()).score,
                  ScoreErrorBound(quantization, rows));
    }
  }
}

TEST(ScorerTest, ScoresDoNotDependOnTheNeighbours) {
  std::mt19937 random(13);
  const auto file = RandomModel(Quantization::kF16, 16, 50, /*seed=*/1);
  for (const KernelTable* kernels : SupportedKernels()) {
    const Scorer scorer(*file, *kernels);
    Scratch scratch;
    const FeatureList context = RandomContext(random);
    const Candidates candidates = RandomCandidates(300, random);
    const std::vector<float> together = Score(scorer, context, candidates, scratch);
    size_t first = 0;
    for (size_t c = 0; c < together.size(); ++c) {
      float alone = 0.0F;
      scorer.ScoreCandidates(candidates.features.view().subspan(first, candidates.lengths[c]),
                             {&candidates.lengths[c], 1}, scratch, {&alone, 1});
      ASSERT_EQ(alone, together[c]) << kernels->name << " candidate " << c;
      first += candidates.lengths[c];
    }
  }
}

TEST(ScorerTest, AScratchServesScorersOfDifferentK) {
  const auto wide_file = RandomModel(Quantization::kF32, 256, 10, /*seed=*/1);
  const auto narrow_file = RandomModel(Quantization::kF32, 3, 10, /*seed=*/1);
  const Scorer wide(*wide_file, Fastest());
  const Scorer narrow(*narrow_file, Fastest());
  FeatureList context;
  AddFeature(context, kUser, 1);
  Candidates candidates;
  candidates.Add({{kAd, 2}, {kTag, 3}});
  Scratch fresh;
  const std::vector<float> expected = Score(narrow, context, candidates, fresh);
  Scratch used;
  Score(wide, context, candidates, used);
  EXPECT_EQ(Score(narrow, context, candidates, used), expected);
}

}  // namespace
}  // namespace fmserve::model
