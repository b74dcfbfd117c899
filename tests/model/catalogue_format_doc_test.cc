// CATALOGUE_FORMAT.md is normative: its tables are those of catalogue_format.h.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "model/catalogue_format.h"
#include "model/catalogue_header.h"

namespace fmserve::model {
namespace {

using format::CatalogueHeader;

std::vector<std::string> CataloguePage() {
  std::ifstream page("model/CATALOGUE_FORMAT.md");
  std::vector<std::string> lines;
  for (std::string line; std::getline(page, line);) lines.push_back(line);
  return lines;
}

// The first columns of the table after the line `heading`, without backticks.
std::vector<std::vector<std::string>> CatalogueTable(const std::string& heading, size_t columns) {
  std::vector<std::vector<std::string>> rows;
  bool inside = false;
  for (const std::string& line : CataloguePage()) {
    if (line == heading) inside = true;
    if (!inside || (!line.starts_with("|") && rows.empty())) continue;
    if (!line.starts_with("|")) break;
    std::vector<std::string> cells = absl::StrSplit(line.substr(1, line.size() - 2), '|');
    for (std::string& cell : cells) {
      std::erase(cell, '`');
      cell = std::string(absl::StripAsciiWhitespace(cell));
    }
    cells.resize(columns);
    rows.push_back(cells);
  }
  if (rows.size() > 2) rows.erase(rows.begin(), rows.begin() + 2);
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
  EXPECT_EQ(CatalogueTable("## Header", 3), members);
}

TEST(CatalogueFormatDocTest, SectionsAreThoseOfTheCode) {
  const auto rows = CatalogueTable("## Sections", 2);
  ASSERT_EQ(rows.size(), 7U);
  for (const auto& row : rows)
    EXPECT_EQ(row[1], CatalogueSectionName(static_cast<uint32_t>(std::stoul(row[0]))));
}

TEST(CatalogueFormatDocTest, LimitsAndVersionAreThoseOfTheCode) {
  std::string page;
  for (const std::string& line : CataloguePage()) page += line + "\n";
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

}  // namespace
}  // namespace fmserve::model
