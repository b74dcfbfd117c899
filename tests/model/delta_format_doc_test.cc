// DELTA_FORMAT.md is normative: its tables are those of delta_format.h.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/delta_format.h"
#include "model/delta_layout.h"
#include "tests/model/format_page.h"

namespace fmserve::model {
namespace {

using format::DeltaHeader;

const FormatPage& DeltaPage() {
  static const FormatPage page("model/DELTA_FORMAT.md");
  return page;
}

TEST(DeltaFormatDocTest, HeaderIsThatOfTheCode) {
  const std::vector<std::vector<std::string>> rows = DeltaPage().Table(
      "As in a weight file (256 bytes, then 48 per section, sections at multiples of 64), but "
      "for:");
  struct Member {
    std::string name;
    size_t offset;
    size_t bytes;
  };
#define DELTA_MEMBER(name) \
  Member { #name, offsetof(DeltaHeader, name), sizeof(DeltaHeader::name) }
  const std::vector<Member> members = {
      DELTA_MEMBER(magic),       DELTA_MEMBER(format_major),  DELTA_MEMBER(format_minor),
      DELTA_MEMBER(reserved),    DELTA_MEMBER(base_size),     DELTA_MEMBER(result_size),
      DELTA_MEMBER(base_sha256), DELTA_MEMBER(result_sha256), DELTA_MEMBER(reserved_too)};
  ASSERT_EQ(rows.size(), members.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(std::stoul(rows[i].at(0)), members[i].offset) << members[i].name;
    EXPECT_EQ(std::stoul(rows[i].at(1)), members[i].bytes) << members[i].name;
    EXPECT_EQ(rows[i].at(2), members[i].name);
  }
}

TEST(DeltaFormatDocTest, SectionTypesAreThoseOfTheCode) {
  const auto rows =
      DeltaPage().Table("`version`, `created_unix_us` and `model_name` are those of the result.");
  ASSERT_EQ(rows.size(), 10U);
  for (const auto& row : rows)
    EXPECT_EQ(row.at(1), DeltaSectionName(static_cast<uint32_t>(std::stoul(row.at(0)))));
}

}  // namespace
}  // namespace fmserve::model
