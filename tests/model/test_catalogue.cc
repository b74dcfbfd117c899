#include "tests/model/test_catalogue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/model/test_model.h"

namespace fmserve::model {

TestFiles FilesOf(const Vectors& items, const std::vector<std::string>& attributes,
                  const std::function<std::vector<std::string_view>(size_t, size_t)>& values_of) {
  TestModel model(Quantization::kF32, items.k, 0.5);
  std::mt19937 random(static_cast<uint32_t>(items.v.size()));
  std::normal_distribution<float> normal;
  for (int64_t user = 0; user < kTestContexts; ++user) {
    std::vector<float> u(items.k);
    for (float& value : u) value = normal(random);
    model.AddRow(kUser, user, 0.125F, u);
  }
  CatalogueOptions options;
  options.model_name = "test";
  options.schema = TestSchema();
  options.attributes = attributes;
  std::vector<TestItem> catalogue(items.v.size());
  for (size_t i = 0; i < items.v.size(); ++i) {
    model.AddRow(kAd, static_cast<int64_t>(i), items.biases[i], items.v[i]);
    catalogue[i].id = i;
    AddFeature(catalogue[i].features, kAd, static_cast<int64_t>(i));
    for (size_t a = 0; a < attributes.size(); ++a) catalogue[i].values.push_back(values_of(i, a));
  }
  return {model.Open(), OpenCatalogue(options, catalogue)};
}

std::shared_ptr<const FoldedCatalogue> FoldOf(const TestFiles& files, const KernelTable& kernels,
                                              ItemVectors item_vectors) {
  auto folded =
      FoldedCatalogue::Fold(files.weights, files.catalogue, kernels, NeverStop, item_vectors);
  EXPECT_TRUE(folded.ok()) << folded.status();
  return folded.ok() ? *folded : nullptr;
}

void ScoreTestContext(const TestFiles& files, const KernelTable& kernels, int64_t user,
                      Scratch& scratch) {
  FeatureList context;
  AddFeature(context, kUser, user);
  Scorer(*files.weights, kernels).ScoreContext(context.view(), scratch);
}

std::vector<RankedItem> BruteForce(const TestFiles& files, const KernelTable& kernels,
                                   const Scratch& context, size_t k,
                                   const std::function<bool(uint32_t)>& wanted) {
  const Scorer scorer(*files.weights, kernels);
  Scratch scratch;
  std::vector<RankedItem> ranked;
  for (uint32_t item = 0; item < files.catalogue->size(); ++item) {
    if (wanted != nullptr && !wanted(item)) continue;
    const FoldedItem folded = scorer.Fold(files.catalogue->features(item), scratch);
    double product = 0.0;
    for (size_t f = 0; f < folded.vector.size(); ++f)
      product += double{folded.vector[f]} * context.context_sums()[f];
    ranked.push_back({item, folded.bias + product});
  }
  std::sort(ranked.begin(), ranked.end(), [](const RankedItem& a, const RankedItem& b) {
    return a.score != b.score ? a.score > b.score : a.item < b.item;
  });
  ranked.resize(std::min(k, ranked.size()));
  for (RankedItem& item : ranked) item.score += context.context_score();
  return ranked;
}

void ExpectRanked(const TopK& top, const std::vector<RankedItem>& expected, uint32_t size) {
  EXPECT_EQ(top.covered_items, size);
  ASSERT_EQ(top.items.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(top.items[i].item, expected[i].item) << "rank " << i;
    ASSERT_EQ(top.items[i].score, expected[i].score) << "rank " << i;
  }
}

void ExpectExact(const TestFiles& files, const std::string& what) {
  for (const KernelTable* kernels : SupportedKernels()) {
    const auto folded = FoldOf(files, *kernels);
    ASSERT_NE(folded, nullptr);
    Scratch context;
    TopKMemory memory;
    for (int64_t user = 0; user < 2; ++user) {
      ScoreTestContext(files, *kernels, user, context);
      for (const size_t k : {1, 10, 100, 1000}) {
        SCOPED_TRACE(absl::StrCat(what, " ", std::string(kernels->name), " user=", user, " K=", k));
        ExpectRanked(folded->Best(context, k, nullptr, Always, memory),
                     BruteForce(files, *kernels, context, k), files.catalogue->size());
      }
    }
  }
}

}  // namespace fmserve::model
