// Catalogues of every released format version are read for ever (tests/golden/README.md), and give
// the items that they gave when they were written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/feature_encoder.h"
#include "model/folded_catalogue.h"
#include "tests/model/sample_file.h"

namespace fmserve::model {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::shared_ptr<const CatalogueFile> OpenGolden(const std::string& path) {
  const auto file = CatalogueFile::Open(path);
  EXPECT_TRUE(file.ok()) << file.status();
  return file.ok() ? *file : nullptr;
}

// All items for a context, with the weights of the golden file at `path`; the best first.
std::vector<RankedItem> RankAll(const std::string& path,
                                const std::shared_ptr<const CatalogueFile>& catalogue,
                                const std::vector<std::string_view>& cells) {
  const auto weights = WeightFile::Open(path).value();
  const KernelTable& kernels = *DefaultKernels().value();
  FeatureList context;
  EXPECT_TRUE(FeatureEncoder(weights->schema(), &context).AddRow(Side::kContext, cells).ok());
  Scratch scratch;
  Scorer(*weights, kernels).ScoreContext(context.view(), scratch);
  const auto folded = FoldedCatalogue::Fold(weights, catalogue, kernels);
  EXPECT_TRUE(folded.ok()) << folded.status();
  if (!folded.ok()) return {};
  TopKMemory memory;
  const auto always = [] { return true; };
  const TopK top = (*folded)->Best(scratch, catalogue->size(), nullptr, always, memory);
  return {top.items.begin(), top.items.end()};
}

void ExpectSampleItems(const CatalogueFile& file) {
  EXPECT_EQ(file.info().format_major, 1);
  EXPECT_EQ(file.info().model_name, "ctr");
  EXPECT_EQ(file.info().version, 3U);
  EXPECT_EQ(file.schema().fields(), SampleSchema().fields());
  ASSERT_EQ(file.size(), 3U);
  EXPECT_THAT(file.features(0).fields, ElementsAre(2, 3));
  EXPECT_THAT(file.features(1).xs, ElementsAre(1.0F, 0.75F, 0.25F));
  EXPECT_THAT(file.features(2).keys, IsEmpty());
  ASSERT_EQ(file.attributes().size(), 2U);
  EXPECT_EQ(file.attributes()[0].name, "genre");
  EXPECT_THAT(file.attributes()[0].values, ElementsAre("news", "sport"));
  EXPECT_THAT(file.attributes()[0].of(1), ElementsAre(0, 1));
  EXPECT_THAT(file.bids(), ElementsAre(0.25F, 1.5F, 0.0F));
  EXPECT_EQ(file.metadata(), (Metadata{{"made.by", "a test"}}));
}

// Scores pinned by hand, from the rows of sample_file.cc: the context scores -0.175 and sums to
// (0.7, 0.05, -0.275), the items fold to biases 0.6625, -0.5575 and 0.
void ExpectSampleRanks(const std::shared_ptr<const CatalogueFile>& file) {
  const auto ranked = RankAll("tests/golden/v1_f32.fmw", file, {"ann", "30", "", ""});
  ASSERT_EQ(ranked.size(), 3U);
  EXPECT_EQ(ranked[0].item, 0U);
  EXPECT_NEAR(ranked[0].score, 1.4375, 1e-6);
  EXPECT_EQ(ranked[1].item, 2U);
  EXPECT_NEAR(ranked[1].score, -0.175, 1e-6);
  EXPECT_EQ(ranked[2].item, 1U);
  EXPECT_NEAR(ranked[2].score, -0.200625, 1e-6);
}

TEST(GoldenCatalogueTest, OfIntegerIdsIsReadAndRanksAsWhenItWasWritten) {
  const auto file = OpenGolden("tests/golden/v1_catalogue_integer.fmc");
  ASSERT_NE(file, nullptr);
  ExpectSampleItems(*file);
  EXPECT_EQ(file->ids().integer(0), 7U);
  EXPECT_EQ(file->ids().integer(1), 9U);
  EXPECT_EQ(file->ids().integer(2), uint64_t{1} << 63);
  ExpectSampleRanks(file);
}

TEST(GoldenCatalogueTest, OfStringIdsIsReadAndRanksAsWhenItWasWritten) {
  const auto file = OpenGolden("tests/golden/v1_catalogue_string.fmc");
  ASSERT_NE(file, nullptr);
  ExpectSampleItems(*file);
  EXPECT_EQ(file->ids().text(0), "anna");
  EXPECT_EQ(file->ids().text(1), "bert");
  EXPECT_EQ(file->ids().text(2), "\xd0\xb7\xd0\xbe\xd0\xb5");
  ExpectSampleRanks(file);
}

TEST(GoldenCatalogueTest, OfTheWorkedExampleIsReadAndRanksAsWhenItWasWritten) {
  const auto file = OpenGolden("tests/golden/v1_catalogue_example.fmc");
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(file->size(), 3U);
  const Attribute& label = file->attributes().at(0);
  EXPECT_THAT(label.values, ElementsAre("new", "sale"));
  EXPECT_THAT(label.of(0), ElementsAre(1));
  EXPECT_THAT(label.of(1), IsEmpty());
  EXPECT_THAT(label.of(2), ElementsAre(0, 1));
  EXPECT_THAT(file->bids(), ElementsAre(0.5F, 0.25F, 1.5F));
  const auto ranked = RankAll("tests/golden/v1_example.fmw", file, {"ann", ""});
  ASSERT_EQ(ranked.size(), 3U);
  EXPECT_EQ(file->ids().text(ranked[0].item), "coat");
  EXPECT_EQ(ranked[0].score, -0.5);
  EXPECT_EQ(file->ids().text(ranked[1].item), "shoe");
  EXPECT_EQ(ranked[1].score, -0.75);
  EXPECT_EQ(file->ids().text(ranked[2].item), "boot");
  EXPECT_EQ(ranked[2].score, -2.25);
}

}  // namespace
}  // namespace fmserve::model
