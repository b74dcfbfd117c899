// The best K are those of a brute-force scan in double precision, whatever the items look like.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/model/test_catalogue.h"
#include "tests/model/test_model.h"

namespace fmserve::model {
namespace {

enum class Kind { kGaussian, kSkewed, kDuplicates, kNegative, kHugeSpread, kEqual, kBiasOnly };

const char* NameOf(Kind kind) {
  switch (kind) {
    case Kind::kGaussian:
      return "Gaussian";
    case Kind::kSkewed:
      return "Skewed";
    case Kind::kDuplicates:
      return "Duplicates";
    case Kind::kNegative:
      return "Negative";
    case Kind::kHugeSpread:
      return "HugeSpread";
    case Kind::kEqual:
      return "Equal";
    case Kind::kBiasOnly:
      return "BiasOnly";
  }
  return "";
}

// One item of each kind of catalogue.
void Fill(Kind kind, std::mt19937& random, std::vector<float>& v, float& bias) {
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> uniform(0.0F, 1.0F);
  const float norm = kind == Kind::kSkewed ? std::pow(uniform(random), 8.0F) : 1.0F;
  const float scale =
      kind == Kind::kHugeSpread ? std::pow(10.0F, 45.0F * uniform(random) - 35.0F) : norm;
  bias = kind == Kind::kHugeSpread ? scale * normal(random) : normal(random);
  for (float& value : v) value = scale * normal(random);
  switch (kind) {
    case Kind::kDuplicates:
      for (float& value : v) value = random() % 64 == 0 ? 1.0F : 0.0F;
      bias = static_cast<float>(random() % 3);
      break;
    case Kind::kNegative:
      bias = -1000.0F - std::abs(bias);
      break;
    case Kind::kEqual:
      for (float& value : v) value = 0.3F;
      bias = 0.1F;
      break;
    case Kind::kBiasOnly:
      for (float& value : v) value = 0.0F;
      break;
    default:
      break;
  }
}

Vectors MakeItems(Kind kind, uint32_t k, size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  Vectors items;
  items.k = k;
  items.v.assign(n, std::vector<float>(k));
  items.biases.resize(n);
  for (size_t i = 0; i < n; ++i) Fill(kind, random, items.v[i], items.biases[i]);
  return items;
}

class TopKOfKindTest : public ::testing::TestWithParam<Kind> {};

INSTANTIATE_TEST_SUITE_P(EveryKind, TopKOfKindTest,
                         ::testing::Values(Kind::kGaussian, Kind::kSkewed, Kind::kDuplicates,
                                           Kind::kNegative, Kind::kHugeSpread, Kind::kEqual,
                                           Kind::kBiasOnly),
                         [](const auto& instance) { return NameOf(instance.param); });

TEST_P(TopKOfKindTest, IsThatOfABruteForceScan) {
  for (const uint32_t k : {1, 3, 16, 64}) {
    const TestFiles files = FilesOf(MakeItems(GetParam(), k, 6000, k));
    ExpectExact(files, absl::StrCat("k=", k));
  }
}

TEST(TopKTest, IsExactForEveryNumberOfFactors) {
  for (const uint32_t k : {2, 4, 5, 7, 8, 15, 17, 20, 31, 33, 100, 127, 255, 256}) {
    ExpectExact(FilesOf(MakeItems(Kind::kGaussian, k, 700, k)), absl::StrCat("k=", k));
  }
}

TEST(TopKTest, IsExactAtEveryEdgeOfBlocksAndGroups) {
  for (const size_t n : {0, 1, 2, 15, 16, 17, 999, 1000, 1001, 1023, 1024, 1025, 2048, 2049}) {
    ExpectExact(FilesOf(MakeItems(Kind::kGaussian, 8, n, 1)), absl::StrCat("n=", n));
  }
}

TEST(TopKTest, EqualScoresComeByItemNumber) {
  const TestFiles files = FilesOf(MakeItems(Kind::kEqual, 4, 5000, 1));
  const KernelTable& kernels = *SupportedKernels().back();
  Scratch context;
  ScoreTestContext(files, kernels, 0, context);
  TopKMemory memory;
  const TopK top = FoldOf(files, kernels)->Best(context, 50, nullptr, Always, memory);
  ASSERT_EQ(top.items.size(), 50U);
  for (uint32_t i = 0; i < 50; ++i) EXPECT_EQ(top.items[i].item, i);
}

TEST(TopKTest, OfNoItemsIsNothing) {
  const TestFiles files = FilesOf(MakeItems(Kind::kGaussian, 8, 100, 1));
  const KernelTable& kernels = *SupportedKernels().back();
  Scratch context;
  ScoreTestContext(files, kernels, 0, context);
  TopKMemory memory;
  const TopK top = FoldOf(files, kernels)->Best(context, 0, nullptr, Always, memory);
  EXPECT_TRUE(top.items.empty());
  EXPECT_EQ(top.covered_items, 100U);
}

TEST(TopKTest, TakesNoMoreThanItsLimit) {
  const TestFiles files = FilesOf(MakeItems(Kind::kGaussian, 4, 1500, 1));
  const KernelTable& kernels = *SupportedKernels().back();
  Scratch context;
  ScoreTestContext(files, kernels, 0, context);
  TopKMemory memory;
  EXPECT_EQ(FoldOf(files, kernels)->Best(context, 1500, nullptr, Always, memory).items.size(),
            kMaxTopK);
}

// Sums so large that floats overflow: every item survives the scan and is scored in double.
TEST(TopKTest, IsExactWhereFloatsWouldOverflow) {
  Vectors items = MakeItems(Kind::kGaussian, 8, 3000, 1);
  for (std::vector<float>& v : items.v) {
    for (float& value : v) value *= 3e37F;
  }
  ExpectExact(FilesOf(items), "overflow");
}

TEST(TopKTest, IsExactForAContextOfZeros) {
  const TestFiles files = FilesOf(MakeItems(Kind::kGaussian, 16, 3000, 1));
  for (const KernelTable* kernels : SupportedKernels()) {
    Scratch context;
    Scorer(*files.weights, *kernels).ScoreContext({}, context);
    TopKMemory memory;
    ExpectRanked(FoldOf(files, *kernels)->Best(context, 20, nullptr, Always, memory),
                 BruteForce(files, *kernels, context, 20), 3000);
  }
}

// Items of several features, some unknown, in all encodings, against the formula of the model.
TEST(TopKTest, ScoresAsExplainDoes) {
  for (const auto quantization : {Quantization::kF32, Quantization::kF16, Quantization::kInt8}) {
    const auto weights = RandomModel(quantization, 16, 200, /*seed=*/5);
    CatalogueOptions options;
    options.model_name = "test";
    options.schema = TestSchema();
    std::vector<TestItem> items(2000);
    std::mt19937 random(3);
    for (size_t i = 0; i < items.size(); ++i) {
      items[i].id = 10 * i;
      AddFeature(items[i].features, kAd, static_cast<int64_t>(random() % 250));
      for (int tag = 0; tag < 5; ++tag)
        AddFeature(items[i].features, kTag, static_cast<int64_t>(random() % 220), 0.3F);
    }
    const TestFiles files = {weights, OpenCatalogue(options, items)};
    const KernelTable& kernels = *SupportedKernels().back();
    const Scorer scorer(*weights, kernels);
    FeatureList user;
    for (const int64_t value : {1, 5, 77}) AddFeature(user, kUser, value);
    Scratch context;
    scorer.ScoreContext(user.view(), context);
    TopKMemory memory;
    const TopK top = FoldOf(files, kernels)->Best(context, 30, nullptr, Always, memory);
    std::vector<double> explained;
    for (uint32_t item = 0; item < items.size(); ++item)
      explained.push_back(scorer.Explain(user.view(), files.catalogue->features(item)).score);
    for (const RankedItem& ranked : top.items)
      EXPECT_NEAR(ranked.score, explained[ranked.item], 1e-5);
    std::sort(explained.rbegin(), explained.rend());
    for (size_t i = 0; i < top.items.size(); ++i)
      EXPECT_NEAR(top.items[i].score, explained[i], 1e-5);
  }
}

TEST(TopKTest, StopsWhenAskedToAndSaysWhatItCovered) {
  const TestFiles files = FilesOf(MakeItems(Kind::kGaussian, 32, 60'000, 1));
  const KernelTable& kernels = *SupportedKernels().back();
  const auto folded = FoldOf(files, kernels);
  Scratch context;
  ScoreTestContext(files, kernels, 0, context);
  TopKMemory memory;
  int questions = 0;
  const TopK none = folded->Best(
      context, 10, nullptr, [] { return false; }, memory);
  EXPECT_EQ(none.covered_items, 0U);
  EXPECT_TRUE(none.items.empty());
  const TopK part = folded->Best(
      context, 10, nullptr, [&] { return ++questions < 3; }, memory);
  EXPECT_GE(part.covered_items, 16'384U);
  EXPECT_LT(part.covered_items, 60'000U);
  EXPECT_EQ(part.items.size(), 10U);
}

TEST(TopKTest, AsksOftenWhenManyItemsNeedExactScores) {
  const TestFiles files = FilesOf(MakeItems(Kind::kEqual, 4, 30'000, 1));
  const KernelTable& kernels = *SupportedKernels().back();
  Scratch context;
  ScoreTestContext(files, kernels, 0, context);
  TopKMemory memory;
  int questions = 0;
  const TopK top = FoldOf(files, kernels)
                       ->Best(
                           context, 10, nullptr, [&] { return ++questions > 0; }, memory);
  EXPECT_EQ(top.covered_items, 30'000U);
  EXPECT_GE(questions, 20);
}

TEST(TopKTest, FieldsThatTheCatalogueHasNotYetAreMissing) {
  std::vector<Field> fields = TestSchema().fields();
  fields.pop_back();  // no tags
  CatalogueOptions options;
  options.model_name = "test";
  options.schema = FeatureSchema::Create(fields).value();
  std::vector<TestItem> items(1);
  AddFeature(items[0].features, kAd, 3);
  TestModel model(Quantization::kF32, 2, 0.0);
  model.AddRow(kAd, 3, 0.25F, {1.0F, 2.0F});
  model.AddKey(TestSchema().missing_key(kTag), kTag, 0.5F, {3.0F, 5.0F});
  const TestFiles files = {model.Open(), OpenCatalogue(options, items)};
  const KernelTable& kernels = *SupportedKernels().back();
  Scratch context;
  Scorer(*files.weights, kernels).ScoreContext({}, context);
  TopKMemory memory;
  const TopK top = FoldOf(files, kernels)->Best(context, 1, nullptr, Always, memory);
  ASSERT_EQ(top.items.size(), 1U);
  EXPECT_EQ(top.items[0].score, 0.25 + 0.5 + 1.0 * 3.0 + 2.0 * 5.0);
}

TEST(FoldedCatalogueTest, RefusesFeaturesOfAnotherSchema) {
  std::vector<Field> fields = TestSchema().fields();
  fields[kAd].name = "banner";
  CatalogueOptions options;
  options.model_name = "test";
  options.schema = FeatureSchema::Create(fields).value();
  const auto folded = FoldedCatalogue::Fold(RandomModel(Quantization::kF32, 4, 3, 1),
                                            OpenCatalogue(options, {}), *SupportedKernels().back());
  EXPECT_EQ(folded.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(folded.status().message().find("'banner'"), absl::string_view::npos) << folded.status();
}

TEST(FoldedCatalogueTest, RefusesSumsThatOverflow) {
  TestModel model(Quantization::kF32, 1, 0.0);
  model.AddRow(kAd, 1, 0.0F, {3e38F});
  CatalogueOptions options;
  options.model_name = "test";
  options.schema = TestSchema();
  std::vector<TestItem> items(1);
  items[0].id = 77;
  AddFeature(items[0].features, kAd, 1, 2.0F);
  const auto folded = FoldedCatalogue::Fold(model.Open(), OpenCatalogue(options, items),
                                            *SupportedKernels().back());
  EXPECT_EQ(folded.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(folded.status().message().find("item 77"), absl::string_view::npos) << folded.status();
}

TEST(FoldedCatalogueTest, StopsAtAnyCheckpoint) {
  const TestFiles files =
      FilesOf(MakeItems(Kind::kGaussian, 4, 3000, 1), {"a"},
              [](size_t, size_t) -> std::vector<std::string_view> { return {"x"}; });
  int total = 0;
  const auto count = [&] {
    ++total;
    return absl::OkStatus();
  };
  const KernelTable& kernels = *SupportedKernels().back();
  ASSERT_TRUE(FoldedCatalogue::Fold(files.weights, files.catalogue, kernels, count).ok());
  EXPECT_GT(total, 100);
  for (int stop = 0; stop < total; ++stop) {
    int left = stop;
    const auto until = [&] { return left-- > 0 ? absl::OkStatus() : absl::CancelledError("stop"); };
    EXPECT_EQ(FoldedCatalogue::Fold(files.weights, files.catalogue, kernels, until).status().code(),
              absl::StatusCode::kCancelled);
  }
}

}  // namespace
}  // namespace fmserve::model
