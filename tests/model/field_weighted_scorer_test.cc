// Scores of field-weighted models: against the double sum over pairs, alone, folded, and of the
// items of a catalogue.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "model/scorer.h"
#include "tests/model/accumulate_reference.h"
#include "tests/model/int8_bound.h"
#include "tests/model/test_catalogue.h"
#include "tests/model/test_model.h"

namespace fmserve::model {
namespace {

using ::testing::ElementsAre;

constexpr Quantization kQuantizations[] = {Quantization::kF32, Quantization::kF16,
                                           Quantization::kInt8};
constexpr int64_t kValues = 50;

const KernelTable& Fastest() { return *SupportedKernels().back(); }

struct Candidates {
  FeatureList features;
  std::vector<uint32_t> lengths;

  void Add(const std::vector<std::pair<uint8_t, int64_t>>& list) {
    for (const auto& [field, value] : list) AddFeature(features, field, value);
    lengths.push_back(static_cast<uint32_t>(list.size()));
  }
  FeatureSpan Of(size_t candidate) const {
    size_t first = 0;
    for (size_t c = 0; c < candidate; ++c) first += lengths[c];
    return features.view().subspan(first, lengths[candidate]);
  }
};

std::vector<float> Score(const Scorer& scorer, const FeatureList& context,
                         const Candidates& candidates, Scratch& scratch) {
  std::vector<float> scores(candidates.lengths.size());
  scorer.ScoreContext(context.view(), scratch);
  scorer.ScoreCandidates(candidates.features.view(), candidates.lengths, scratch, scores);
  return scores;
}

// Numbers small enough to score by hand: user with ad weighs 2 * 1 * 3 - 1 * 1 * 2 = 4, user with
// tag 2 * 1 * -1 - 0 = -2, ad with tag -6, tag with tag 2.
FieldMatrix HandMatrix() {
  return {.rank = 2, .scales = {2.0F, -1.0F}, .factors = {1.0F, 1.0F, 3.0F, 2.0F, -1.0F, 0.0F}};
}

//   w0 = 0.5   user 1: w 1, v (1, 2)   ad 7: w 2, v (3, -1)   tag 5: w 4, v (2, 2)
//   other tags: w 0.25, v (-1, 1)
std::shared_ptr<const WeightFile> HandModel() {
  TestModel model(Quantization::kF32, 2, 0.5, HandMatrix());
  model.AddRow(kUser, 1, 1.0F, {1.0F, 2.0F});
  model.AddRow(kAd, 7, 2.0F, {3.0F, -1.0F});
  model.AddRow(kTag, 5, 4.0F, {2.0F, 2.0F});
  model.AddRareRow(0.25F, {-1.0F, 1.0F});
  return model.Open();
}

TEST(FieldWeightedScorerTest, InteractionsAreWeightedByTheirFields) {
  const auto file = HandModel();
  FeatureList context;
  AddFeature(context, kUser, 1);
  Candidates candidates;
  candidates.Add({{kAd, 7}});             // 0.5 + 1 + 2 + 4 * (3 - 2)
  candidates.Add({{kAd, 7}, {kTag, 5}});  // the same + 4 - 2 * (2 + 4) - 6 * (6 - 2)
  candidates.Add({});
  candidates.Add({{kTag, 99}});            // of the rare row: 0.5 + 1 + 0.25 - 2 * (-1 + 2)
  candidates.Add({{kTag, 5}, {kTag, 5}});  // 0.5 + 1 + 8 - 2 * 12 + 2 * 8
  candidates.Add({{kAd, 99}});             // ads have no rare row
  const std::vector<float> expected = {7.5F, -24.5F, 1.5F, -0.25F, 1.5F, 1.5F};
  for (const KernelTable* kernels : SupportedKernels()) {
    const Scorer scorer(*file, *kernels);
    Scratch scratch;
    const std::vector<float> scores = Score(scorer, context, candidates, scratch);
    for (size_t c = 0; c < expected.size(); ++c) {
      EXPECT_NEAR(scores[c], expected[c], 1e-5) << kernels->name << " candidate " << c;
      EXPECT_EQ(scorer.Explain(context.view(), candidates.Of(c)).score, expected[c]);
    }
    EXPECT_EQ(scratch.unknown_by_field()[kTag], 1U);
    EXPECT_EQ(scratch.unknown_by_field()[kAd], 1U);
  }
}

TEST(FieldWeightedScorerTest, ExplanationsNameWhatWeightedPairsAdd) {
  const auto file = HandModel();
  FeatureList context;
  AddFeature(context, kUser, 1, 2.0F);
  FeatureList candidate;
  AddFeature(candidate, kAd, 7);
  AddFeature(candidate, kTag, 5, 0.5F);
  const Explanation explanation =
      Scorer(*file, Fastest()).Explain(context.view(), candidate.view());
  ASSERT_EQ(explanation.pairs.size(), 3U);
  EXPECT_EQ(explanation.pairs[0].interaction, 4.0 * 1.0 * 2.0);
  EXPECT_EQ(explanation.pairs[1].interaction, -2.0 * 6.0 * 2.0 * 0.5);
  EXPECT_EQ(explanation.pairs[2].interaction, -6.0 * 4.0 * 0.5);
  EXPECT_EQ(explanation.terms[2].linear, 4.0 * 0.5);
}

TEST(FieldWeightedScorerTest, AFoldedItemHasAVectorPerRank) {
  const auto file = HandModel();
  EXPECT_EQ(file->folded_k(), 4U);
  const Scorer scorer(*file, Fastest());
  Scratch scratch;
  FeatureList context;
  AddFeature(context, kUser, 1);
  scorer.ScoreContext(context.view(), scratch);
  FeatureList item;
  AddFeature(item, kAd, 7);
  AddFeature(item, kTag, 5);
  const FoldedItem folded = scorer.Fold(item.view(), scratch);
  EXPECT_EQ(folded.vector.size(), 16U);
  EXPECT_NEAR(folded.bias, 2.0 + 4.0 - 24.0, 1e-5);
  EXPECT_NEAR(scorer.ScoreFolded(folded, scratch), -24.5F, 1e-5);
}

// Features of context or candidate, about one value in six unknown, a third of them weighted.
FeatureList RandomFeatures(const std::vector<uint8_t>& fields, size_t most, std::mt19937& random) {
  FeatureList list;
  for (size_t i = random() % (most + 1); i > 0; --i) {
    AddFeature(list, fields[random() % fields.size()], random() % (kValues + 10),
               random() % 3 == 0 ? -0.3F : 1.0F);
  }
  return list;
}

void Append(const FeatureList& from, FeatureList& to) {
  for (size_t i = 0; i < from.size(); ++i) to.Add(from.keys[i], from.xs[i], from.fields[i]);
}

// The double sum over pairs, by a loop that shares nothing with Explain, and what the roundings of
// kernels are measured by.
Reference SumOverPairs(const WeightFile& file, const FeatureList& context, FeatureSpan candidate) {
  List list;
  for (const FeatureSpan& side : {context.view(), candidate}) {
    for (size_t i = 0; i < side.size(); ++i) {
      const uint32_t slot = file.dictionary().Find(side.keys[i]);
      const uint32_t rare = file.dictionary().Find(file.schema().rare_key(side.fields[i]));
      list.slots.push_back(slot != kNoSlot ? slot : rare);
      list.xs.push_back(side.xs[i]);
      list.fields.push_back(side.fields[i]);
    }
  }
  Reference reference =
      ReferenceOf(file.rows(), list, file.field_matrix() ? &*file.field_matrix() : nullptr);
  reference.score += file.info().w0;
  reference.magnitude += std::abs(file.info().w0);
  return reference;
}

struct Shape {
  uint32_t k;
  uint32_t rank;
};
constexpr Shape kShapes[] = {{1, 1},   {1, 16}, {2, 5},  {3, 8},  {5, 9},  {8, 2},
                             {8, 4},   {8, 12}, {12, 3}, {16, 1}, {16, 4}, {16, 16},
                             {17, 15}, {20, 6}, {32, 8}, {64, 4}, {85, 3}, {256, 1}};

TEST(FieldWeightedScorerTest, EveryKernelAndEncodingAgreesWithTheSumOverPairs) {
  std::mt19937 random(11);
  for (const Quantization quantization : kQuantizations) {
    for (const Shape& shape : kShapes) {
      const auto file = RandomModel(quantization, shape.k, kValues, shape.k,
                                    RandomFieldMatrix(shape.rank, 3, shape.rank));
      for (const KernelTable* kernels : SupportedKernels()) {
        SCOPED_TRACE(testing::Message() << kernels->name << " " << Name(quantization)
                                        << " k=" << shape.k << " rank=" << shape.rank);
        const Scorer scorer(*file, *kernels);
        Scratch scratch;
        const FeatureList context = RandomFeatures({kUser}, 12, random);
        Candidates candidates;
        for (int c = 0; c < 30; ++c) {
          const FeatureList list = RandomFeatures({kAd, kTag}, 9, random);
          Append(list, candidates.features);
          candidates.lengths.push_back(static_cast<uint32_t>(list.size()));
        }
        const std::vector<float> scores = Score(scorer, context, candidates, scratch);
        const size_t folded_k = PaddedK(file->folded_k());
        std::vector<float> vectors(scores.size() * folded_k, -1.0F);
        std::vector<double> biases(scores.size());
        scorer.FoldItems(candidates.features.view(), candidates.lengths, scratch, vectors, biases);
        for (size_t c = 0; c < scores.size(); ++c) {
          const Reference reference = SumOverPairs(*file, context, candidates.Of(c));
          const double budget = 1e-6 * reference.magnitude;
          ASSERT_NEAR(scorer.Explain(context.view(), candidates.Of(c)).score, reference.score,
                      1e-12 * reference.magnitude);
          ASSERT_NEAR(scores[c], reference.score, budget);
          const FoldedItem folded = scorer.Fold(candidates.Of(c), scratch);
          ASSERT_NEAR(scorer.ScoreFolded(folded, scratch), reference.score, budget);
          ASSERT_EQ(folded.bias, biases[c]);
          ASSERT_TRUE(std::ranges::equal(folded.vector,
                                         std::span(vectors).subspan(c * folded_k, folded_k)));
        }
      }
    }
  }
}

TEST(FieldWeightedScorerTest, OfRankOneAndOnesScoresAsThePlainModel) {
  std::mt19937 random(5);
  const FieldMatrix ones{.rank = 1, .scales = {1.0F}, .factors = {1.0F, 1.0F, 1.0F}};
  const auto plain_file = RandomModel(Quantization::kF16, 16, kValues, 1);
  const auto file = RandomModel(Quantization::kF16, 16, kValues, 1, ones);
  EXPECT_EQ(file->folded_k(), plain_file->folded_k());
  for (int round = 0; round < 50; ++round) {
    const FeatureList context = RandomFeatures({kUser}, 12, random);
    const FeatureList candidate = RandomFeatures({kAd, kTag}, 9, random);
    EXPECT_EQ(Scorer(*file, Fastest()).Explain(context.view(), candidate.view()).score,
              Scorer(*plain_file, Fastest()).Explain(context.view(), candidate.view()).score);
  }
}

// A matrix is the same when a scale is larger and its factors are smaller.
TEST(FieldWeightedScorerTest, DoesNotDependOnHowScalesAndFactorsShareTheirSize) {
  std::mt19937 random(6);
  const FieldMatrix matrix = RandomFieldMatrix(3, 3, 2);
  FieldMatrix moved = matrix;
  for (float& scale : moved.scales) scale *= 64.0F;
  for (float& factor : moved.factors) factor *= 0.125F;
  const auto file = RandomModel(Quantization::kF32, 8, kValues, 1, matrix);
  const auto moved_file = RandomModel(Quantization::kF32, 8, kValues, 1, moved);
  for (int round = 0; round < 50; ++round) {
    const FeatureList context = RandomFeatures({kUser}, 12, random);
    Candidates candidates;
    Append(RandomFeatures({kAd, kTag}, 9, random), candidates.features);
    candidates.lengths = {static_cast<uint32_t>(candidates.features.size())};
    Scratch scratch;
    EXPECT_EQ(Score(Scorer(*file, Fastest()), context, candidates, scratch),
              Score(Scorer(*moved_file, Fastest()), context, candidates, scratch));
  }
}

TEST(FieldWeightedScorerTest, AScratchServesPlainAndFieldWeightedModelsInTurns) {
  const auto wide = RandomModel(Quantization::kF32, 17, kValues, 1, RandomFieldMatrix(15, 3, 1));
  const auto narrow = RandomModel(Quantization::kF32, 3, kValues, 1, RandomFieldMatrix(2, 3, 1));
  const auto plain = RandomModel(Quantization::kF32, 20, kValues, 1);
  FeatureList context;
  AddFeature(context, kUser, 1);
  Candidates candidates;
  candidates.Add({{kAd, 2}, {kTag, 3}});
  Scratch used;
  for (const auto& file : {wide, narrow, plain, wide, plain, narrow}) {
    const Scorer scorer(*file, Fastest());
    Scratch fresh;
    EXPECT_EQ(Score(scorer, context, candidates, used), Score(scorer, context, candidates, fresh));
    EXPECT_TRUE(std::ranges::equal(used.context_sums().first(PaddedK(file->folded_k())),
                                   fresh.context_sums().first(PaddedK(file->folded_k()))));
  }
}

// A catalogue of items of several features, and contexts, for models of this shape.
class FieldWeightedCatalogueTest : public ::testing::TestWithParam<Shape> {
 protected:
  static TestFiles Files(Quantization quantization) {
    const auto weights = RandomModel(quantization, GetParam().k, kValues, 5,
                                     RandomFieldMatrix(GetParam().rank, 3, 8));
    CatalogueOptions options;
    options.model_name = "test";
    options.schema = TestSchema();
    std::vector<TestItem> items(1500);
    std::mt19937 random(3);
    for (size_t i = 0; i < items.size(); ++i) {
      items[i].id = i;
      AddFeature(items[i].features, kAd, static_cast<int64_t>(random() % (kValues + 10)));
      for (int tag = 0; tag < 4; ++tag)
        AddFeature(items[i].features, kTag, static_cast<int64_t>(random() % kValues), 0.3F);
    }
    return {weights, OpenCatalogue(options, items)};
  }

  static FeatureList User() {
    FeatureList user;
    for (const int64_t value : {1, 5, 44}) AddFeature(user, kUser, value);
    return user;
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, FieldWeightedCatalogueTest,
                         ::testing::Values(Shape{3, 2}, Shape{8, 4}, Shape{16, 16}, Shape{17, 15},
                                           Shape{85, 3}),
                         [](const auto& instance) {
                           return "k" + std::to_string(instance.param.k) + "_rank" +
                                  std::to_string(instance.param.rank);
                         });

TEST_P(FieldWeightedCatalogueTest, TheBestItemsAreThoseOfTheSumOverPairs) {
  for (const Quantization quantization : kQuantizations) {
    const TestFiles files = Files(quantization);
    std::vector<double> sums;
    double magnitude = 0.0;
    for (uint32_t item = 0; item < files.catalogue->size(); ++item) {
      const Reference reference =
          SumOverPairs(*files.weights, User(), files.catalogue->features(item));
      sums.push_back(reference.score);
      magnitude = std::max(magnitude, reference.magnitude);
    }
    std::vector<double> sorted = sums;
    std::sort(sorted.rbegin(), sorted.rend());
    for (const KernelTable* kernels : SupportedKernels()) {
      SCOPED_TRACE(testing::Message() << kernels->name << " " << Name(quantization));
      Scratch context;
      Scorer(*files.weights, *kernels).ScoreContext(User().view(), context);
      TopKMemory memory;
      const auto folded = FoldOf(files, *kernels);
      const TopK top = folded->Best(context, 40, nullptr, Always, memory);
      ExpectRanked(top, BruteForce(files, *kernels, context, 40), files.catalogue->size());
      for (size_t i = 0; i < top.items.size(); ++i) {
        EXPECT_NEAR(top.items[i].score, sums[top.items[i].item], 1e-6 * magnitude);
        EXPECT_NEAR(top.items[i].score, sorted[i], 1e-6 * magnitude);
      }
    }
  }
}

TEST_P(FieldWeightedCatalogueTest, KnownItemsScoreAsTheirFeatures) {
  const TestFiles files = Files(Quantization::kF32);
  std::vector<uint32_t> items(200);
  for (size_t i = 0; i < items.size(); ++i) items[i] = static_cast<uint32_t>(i * 7 % 1500);
  for (const KernelTable* kernels : SupportedKernels()) {
    const Scorer scorer(*files.weights, *kernels);
    Scratch context;
    scorer.ScoreContext(User().view(), context);
    std::vector<float> in_f32(items.size());
    std::vector<float> in_int8(items.size());
    FoldOf(files, *kernels)->Score(items, context, in_f32);
    FoldOf(files, *kernels, ItemVectors::kInt8)->Score(items, context, in_int8);
    for (size_t i = 0; i < items.size(); ++i) {
      const FeatureSpan features = files.catalogue->features(items[i]);
      const Reference reference = SumOverPairs(*files.weights, User(), features);
      ASSERT_NEAR(in_f32[i], reference.score, 1e-6 * reference.magnitude) << kernels->name;
      const FoldedItem folded = scorer.Fold(features, context);
      const size_t folded_k = files.weights->folded_k();
      const double bound =
          Int8Bound(std::span(folded.vector).first(folded_k),
                    context.context_sums().first(folded_k), context.context_score(), folded.bias);
      ASSERT_NEAR(in_int8[i], in_f32[i], bound + 2e-6 * reference.magnitude) << kernels->name;
    }
  }
}

}  // namespace
}  // namespace fmserve::model
