// CATALOGUE_FORMAT.md is normative: its tables are those of catalogue_format.h, and its example
// opens, folds and ranks as it says.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/catalogue_format.h"
#include "model/catalogue_header.h"
#include "model/folded_catalogue.h"
#include "tests/model/format_page.h"
#include "tests/model/sample_file.h"

namespace fmserve::model {
namespace {

using format::CatalogueHeader;

const FormatPage& CataloguePage() {
  static const FormatPage page("model/CATALOGUE_FORMAT.md");
  return page;
}

// The first columns of a table.
std::vector<std::vector<std::string>> FirstColumns(const std::string& heading, size_t columns) {
  std::vector<std::vector<std::string>> rows = CataloguePage().Table(heading);
  for (auto& row : rows) row.resize(columns);
  return rows;
}

#define HEADER_MEMBER(name)                                  \
  std::vector<std::string> {                                 \
    std::to_string(offsetof(CatalogueHeader, name)),         \
        std::to_string(sizeof(CatalogueHeader::name)), #name \
  }

TEST(CatalogueFormatDocTest, HeaderIsThatOfTheCode) {
  const std::vector<std::vector<std::string>> members = {HEADER_MEMBER(magic),
                                                         HEADER_MEMBER(format_major),
                                                         HEADER_MEMBER(format_minor),
                                                         HEADER_MEMBER(header_size),
                                                         HEADER_MEMBER(file_size),
                                                         HEADER_MEMBER(version),
                                                         HEADER_MEMBER(created_unix_us),
                                                         HEADER_MEMBER(model_name),
                                                         HEADER_MEMBER(id_type),
                                                         HEADER_MEMBER(reserved_before),
                                                         HEADER_MEMBER(items_count),
                                                         HEADER_MEMBER(features_count),
                                                         HEADER_MEMBER(attributes_count),
                                                         HEADER_MEMBER(sections_count),
                                                         HEADER_MEMBER(reserved),
                                                         HEADER_MEMBER(header_checksum)};
  EXPECT_EQ(FirstColumns("## Header", 3), members);
}

TEST(CatalogueFormatDocTest, SectionsAreThoseOfTheCode) {
  const auto rows = FirstColumns("## Sections", 2);
  ASSERT_EQ(rows.size(), 7U);
  for (const auto& row : rows)
    EXPECT_EQ(row[1], CatalogueSectionName(static_cast<uint32_t>(std::stoul(row[0]))));
}

TEST(CatalogueFormatDocTest, LimitsAndVersionAreThoseOfTheCode) {
  std::string page;
  for (const std::string& line : CataloguePage().lines()) page += line + "\n";
  const std::string stated[] = {
      absl::StrCat("# The catalogue, format version ", format::kCatalogueMajor, ".",
                   format::kCatalogueMinor),
      absl::StrCat("0 to ", format::kMaxItems, " |"),
      absl::StrCat("at most ", format::kMaxItemFeatures, " features per item"),
      absl::StrCat("1 to ", format::kMaxIdBytes, " each, UTF-8"),
      absl::StrCat("at most ", format::kMaxAttributes, " |"),
      absl::StrCat("1 to ", format::kMaxAttributeNameBytes, " printable ASCII"),
      absl::StrCat("at most ", format::kMaxAttributeValues, "\n"),
      absl::StrCat("1 to ", format::kMaxAttributeValueBytes, " bytes each")};
  for (const std::string& text : stated) EXPECT_NE(page.find(text), std::string::npos) << text;
}

TEST(CatalogueFormatDocTest, ExampleIsTheGoldenFileOfThatName) {
  const AlignedBytes golden = ReadFileBytes("tests/golden/v1_catalogue_example.fmc");
  EXPECT_TRUE(std::ranges::equal(golden.span(), CataloguePage().HexDump()));
}

// Rows: id, vector, bias, score, prediction; the best first.
TEST(CatalogueFormatDocTest, ExampleFoldsAndRanksAsCalculatedByHand) {
  const auto rows = CataloguePage().Table(
      "5. **Best first.** Calibrated as in WEIGHT_FORMAT.md, z = 2 * score + 0.5:");
  ASSERT_EQ(rows.size(), 3U);
  const auto weights = WeightFile::Open("tests/golden/v1_example.fmw");
  ASSERT_TRUE(weights.ok()) << weights.status();
  const AlignedBytes bytes(CataloguePage().HexDump());
  const auto file = CatalogueFile::FromBytes(bytes.span());
  ASSERT_TRUE(file.ok()) << file.status();
  const KernelTable& kernels = *DefaultKernels().value();
  const auto catalogue = FoldedCatalogue::Fold(*weights, *file, kernels);
  ASSERT_TRUE(catalogue.ok()) << catalogue.status();

  const Scorer scorer(**weights, kernels);
  Scratch scratch;
  FeatureList context;
  context.Add(ValueKey((*weights)->schema().seed(0), "ann"), 1.0F, 0);
  scorer.ScoreContext(context.view(), scratch);
  TopKMemory memory;
  const auto always = [] { return true; };
  const TopK top = (*catalogue)->Best(scratch, rows.size(), nullptr, always, memory);
  ASSERT_EQ(top.items.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto [item, score] = top.items[i];
    EXPECT_EQ((*file)->ids().text(item), rows[i].at(0));
    const FoldedItem folded = scorer.Fold((*file)->features(item), scratch);
    EXPECT_EQ(absl::StrCat("(", folded.vector[0], ", ", folded.vector[1], ")"), rows[i].at(1));
    EXPECT_EQ(folded.bias, std::stod(rows[i].at(2)));
    EXPECT_EQ(score, std::stod(rows[i].at(3)));
    EXPECT_DOUBLE_EQ(Predict((*weights)->info(), score), std::stod(rows[i].at(4)));
  }
}

}  // namespace
}  // namespace fmserve::model
