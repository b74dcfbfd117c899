#include "tools/topk/filter_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace fmserve::tools {
namespace {

using ::testing::HasSubstr;

// "genre+a,b genre-c & |": the steps as a stack sees them.
std::string Compiled(std::string_view text) {
  const absl::StatusOr<std::vector<FilterStep>> steps = ParseFilter(text);
  if (!steps.ok()) return std::string(steps.status().message());
  return absl::StrJoin(*steps, " ", [](std::string* out, const FilterStep& step) {
    switch (step.kind) {
      case FilterStep::Kind::kIn:
        absl::StrAppend(out, step.attribute, "+", absl::StrJoin(step.values, ","));
        break;
      case FilterStep::Kind::kNotIn:
        absl::StrAppend(out, step.attribute, "-", absl::StrJoin(step.values, ","));
        break;
      case FilterStep::Kind::kAnd:
        absl::StrAppend(out, "&");
        break;
      case FilterStep::Kind::kOr:
        absl::StrAppend(out, "|");
        break;
    }
  });
}

TEST(ParseFilterTest, InAndNotInAreLeaves) {
  EXPECT_EQ(Compiled("genre in {a, b}"), "genre+a,b");
  EXPECT_EQ(Compiled("genre not in {a}"), "genre-a");
  EXPECT_EQ(Compiled("not genre in{a}"), "genre-a");
  EXPECT_EQ(Compiled("not genre not in {a}"), "genre+a");
}

TEST(ParseFilterTest, AndBindsCloserThanOr) {
  EXPECT_EQ(Compiled("a in {1} or b in {2} and c in {3}"), "a+1 b+2 c+3 & |");
  EXPECT_EQ(Compiled("(a in {1} or b in {2}) and c in {3}"), "a+1 b+2 | c+3 &");
}

TEST(ParseFilterTest, AChainIsCombinedAsItGoesSoThatTheStackStaysLow) {
  EXPECT_EQ(Compiled("a in {1} and b in {2} and c in {3}"), "a+1 b+2 & c+3 &");
}

TEST(ParseFilterTest, NotBeforeParenthesesGoesToTheLeaves) {
  EXPECT_EQ(Compiled("not (a in {1} and b not in {2} or c in {3})"), "a-1 b+2 | c-3 &");
  EXPECT_EQ(Compiled("not not (a in {1} or b in {2})"), "a+1 b+2 |");
}

TEST(ParseFilterTest, QuotesHoldWhatWordsCannot) {
  EXPECT_EQ(Compiled(R"("my genre" in {"world, cup", "say \"hi\"", "", in})"),
            R"(my genre+world, cup,say "hi",,in)");
  EXPECT_EQ(Compiled(R"("in" in {x})"), "in+x");
}

TEST(ParseFilterTest, ErrorsPointAtTheColumn) {
  EXPECT_EQ(Compiled(""),
            "filter, column 1: an attribute, 'not' or '(' is expected here, not the end");
  EXPECT_EQ(Compiled("genre is {a}"),
            "filter, column 7: 'in' or 'not in' is expected here, not 'is'");
  EXPECT_EQ(Compiled("genre in a"), "filter, column 10: '{' is expected here, not 'a'");
  EXPECT_EQ(Compiled("genre in {}"), "filter, column 11: a value is expected here, not '}'");
  EXPECT_EQ(Compiled("genre in {a b}"), "filter, column 13: ',' or '}' is expected here, not 'b'");
  EXPECT_EQ(Compiled("(genre in {a}"), "filter, column 14: ')' is expected here, not the end");
  EXPECT_EQ(Compiled("genre in {a} genre"),
            "filter, column 14: 'and', 'or' or the end is expected here, not 'genre'");
  EXPECT_EQ(Compiled("genre in {\"a}"), "filter, column 11: the quote does not end");
  EXPECT_EQ(Compiled("genre not {a}"), "filter, column 11: 'in' is expected here, not '{'");
}

TEST(ParseFilterTest, ColumnsAreCharactersNotBytes) {
  EXPECT_THAT(Compiled("\xc3\xa9toile in {a} x"), HasSubstr("column 15:"));
}

TEST(ParseFilterTest, TooManyParenthesesAreRefused) {
  EXPECT_THAT(Compiled(std::string(100'000, '(')), HasSubstr("more than 64 parentheses"));
}

}  // namespace
}  // namespace fmserve::tools
