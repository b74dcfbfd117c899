// WEIGHT_FORMAT.md is normative: its tables are those of weight_format.h, and its example opens and
// scores as it says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "model/file_header.h"
#include "model/weight_file.h"
#include "model/weight_format.h"
#include "tests/model/format_page.h"
#include "tests/model/sample_file.h"

namespace fmserve::model {
namespace {

using format::FileHeader;
using format::RowPrefix;
using format::SectionEntry;

const FormatPage& Page() {
  static const FormatPage page("model/WEIGHT_FORMAT.md");
  return page;
}

struct Member {
  size_t offset;
  size_t bytes;
  std::string name;
  bool operator==(const Member&) const = default;
  friend void PrintTo(const Member& member, std::ostream* out) {
    *out << member.name << " at " << member.offset << " of " << member.bytes;
  }
};

std::vector<Member> MembersOnPage(const std::string& heading) {
  std::vector<Member> members;
  for (const auto& row : Page().Table(heading))
    members.push_back({std::stoul(row.at(0)), std::stoul(row.at(1)), row.at(2)});
  return members;
}

#define MEMBER(type, name) \
  Member { offsetof(type, name), sizeof(type::name), #name }

TEST(WeightFormatDocTest, HeaderIsThatOfTheCode) {
  const std::vector<Member> members = {
      MEMBER(FileHeader, magic),
      MEMBER(FileHeader, format_major),
      MEMBER(FileHeader, format_minor),
      MEMBER(FileHeader, header_size),
      MEMBER(FileHeader, file_size),
      MEMBER(FileHeader, version),
      MEMBER(FileHeader, created_unix_us),
      MEMBER(FileHeader, model_name),
      MEMBER(FileHeader, task),
      MEMBER(FileHeader, quantization),
      MEMBER(FileHeader, link),
      MEMBER(FileHeader, calibration_kind),
      MEMBER(FileHeader, k),
      MEMBER(FileHeader, rows_count),
      MEMBER(FileHeader, slots_count),
      MEMBER(FileHeader, row_stride_bytes),
      MEMBER(FileHeader, sections_count),
      MEMBER(FileHeader, dictionary_seed),
      MEMBER(FileHeader, w0),
      MEMBER(FileHeader, calibration_scale),
      MEMBER(FileHeader, calibration_offset),
      MEMBER(FileHeader, reserved),
      MEMBER(FileHeader, header_checksum),
  };
  EXPECT_EQ(MembersOnPage("## Header"), members);
}

TEST(WeightFormatDocTest, TableEntryIsThatOfTheCode) {
  const std::vector<Member> members = {
      MEMBER(SectionEntry, type), MEMBER(SectionEntry, flags),    MEMBER(SectionEntry, offset),
      MEMBER(SectionEntry, size), MEMBER(SectionEntry, reserved), MEMBER(SectionEntry, checksum)};
  EXPECT_EQ(MembersOnPage("## Section table"), members);
}

TEST(WeightFormatDocTest, RowIsThatOfTheCode) {
  const std::vector<Member> members = {MEMBER(RowPrefix, key), MEMBER(RowPrefix, w),
                                       MEMBER(RowPrefix, scale)};
  EXPECT_EQ(MembersOnPage("## Rows"), members);
}

// The section types are the second table of their chapter; its heading is the sentence before it.
TEST(WeightFormatDocTest, SectionTypesAreThoseOfTheCode) {
  const auto rows = Page().Table(
      "between are 0. The file ends where the last section ends. So every byte of a file is "
      "covered by a checksum or known to be 0.");
  ASSERT_EQ(rows.size(), 8U);
  for (const auto& row : rows)
    EXPECT_EQ(row.at(1), SectionName(static_cast<uint32_t>(std::stoul(row.at(0)))));
}

TEST(WeightFormatDocTest, ConstantsAreThoseOfTheCode) {
  std::map<std::string, uint64_t> constants;
  for (const auto& row : Page().Table("## Dictionary"))
    constants[row.at(0)] = std::stoull(row.at(1), nullptr, 0);
  const std::map<std::string, uint64_t> expected = {
      {"kPilotFactor", format::kPilotFactor}, {"kSlotFactor", format::kSlotFactor},
      {"kEmptyKey", format::kEmptyKey},       {"kMaxSlots", format::kMaxSlots},
      {"kMaxSections", format::kMaxSections}, {"kSectionAlignment", format::kSectionAlignment}};
  EXPECT_EQ(constants, expected);
}

TEST(WeightFormatDocTest, TitleNamesTheVersionOfTheCode) {
  std::ostringstream title;
  title << "# The weight file, format version " << format::kMajor << "." << format::kMinor;
  EXPECT_EQ(Page().lines().at(0), title.str());
}

TEST(WeightFormatDocTest, ExampleIsTheGoldenFileOfThatName) {
  const AlignedBytes golden = ReadFileBytes("tests/golden/v1_example.fmw");
  const std::vector<std::byte> dump = Page().HexDump();
  EXPECT_TRUE(std::ranges::equal(golden.span(), dump));
}

TEST(WeightFormatDocTest, ExampleScoresAsCalculatedByHand) {
  const AlignedBytes bytes(Page().HexDump());
  const auto file = WeightFile::FromBytes(bytes.span());
  ASSERT_TRUE(file.ok()) << file.status();
  const auto rows = Page().Table(
      "6. **Prediction.** z = 2 * -0.75 + 0.5 = -1, and 1 / (1 + e^1) is the probability of a "
      "click.");
  ASSERT_EQ(rows.size(), 1U);
  const std::vector<std::string> cells = absl::StrSplit(rows[0].at(0), ", ");
  const double score = std::stod(rows[0].at(1));
  EXPECT_EQ(ScoreCells(**file, cells).value(), score);
  EXPECT_EQ(ExplainCells(**file, cells).value(), score);
  EXPECT_DOUBLE_EQ(Predict((*file)->info(), score), std::stod(rows[0].at(2)));
  ASSERT_EQ((*file)->goldens().size(), 1U);
  EXPECT_EQ((*file)->goldens()[0], (Golden{.cells = cells, .score = score}));
}

}  // namespace
}  // namespace fmserve::model
