#include "tools/format.h"

#include <gtest/gtest.h>

namespace fmserve::tools {
namespace {

using std::chrono::seconds;

TEST(FormatBytes, PicksTheUnit) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(1000), "1.0 KB");
  EXPECT_EQ(FormatBytes(999'949), "999.9 KB");
  EXPECT_EQ(FormatBytes(999'950), "1.0 MB");
  EXPECT_EQ(FormatBytes(512'000'000), "512.0 MB");
  EXPECT_EQ(FormatBytes(3'210'000'000'000'000), "3210.0 TB");
}

TEST(FormatAge, NamesTheTwoLargestUnits) {
  EXPECT_EQ(FormatAge(seconds(-3)), "0 s");
  EXPECT_EQ(FormatAge(seconds(59)), "59 s");
  EXPECT_EQ(FormatAge(seconds(192)), "3 min 12 s");
  EXPECT_EQ(FormatAge(seconds(3600 * 5 + 130)), "5 h 2 min");
  EXPECT_EQ(FormatAge(seconds(86400 * 12 + 3600 * 3)), "12 d 3 h");
}

TEST(FormatTable, SetsNumbersToTheRightAndTextToTheLeft) {
  EXPECT_EQ(
      FormatTable(
          {{"model", "version", "state"}, {"ctr", "7", "serving"}, {"conversion", "12", "-"}}),
      "model       version  state\n"
      "ctr               7  serving\n"
      "conversion       12  -\n");
}

TEST(FormatTable, TakesHashesAndRangesForText) {
  EXPECT_EQ(FormatTable({{"sha", "age"}, {"41312a8a", "18-24"}, {"9f", "65+"}}),
            "sha       age\n"
            "41312a8a  18-24\n"
            "9f        65+\n");
}

TEST(FormatTable, CountsCharactersNotBytes) {
  EXPECT_EQ(FormatTable({{"a", "b"}, {"é", "x"}}), "a  b\né  x\n");
}

}  // namespace
}  // namespace fmserve::tools
