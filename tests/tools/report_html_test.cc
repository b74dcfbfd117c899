#include "tools/report/html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tools/report/svg.h"

namespace fmserve::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(EscapeHtmlTest, MarkupBecomesText) {
  EXPECT_EQ(EscapeHtml("<b a=\"1\" c='2'>&</b>"),
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;&lt;/b&gt;");
}

TEST(EscapeHtmlTest, WhatIsNoTextIsReplaced) {
  EXPECT_EQ(EscapeHtml(std::string("a\0b\n\x7f", 5)),
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(EscapeHtml("\xff\xc3"), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(EscapeHtml("Größe 日本"), "Größe 日本");
}

TEST(EscapeHtmlTest, LongTextIsCutBetweenCharacters) {
  EXPECT_EQ(EscapeHtml("abcdef", 4), "abcd…");
  EXPECT_EQ(EscapeHtml("abcd", 4), "abcd");
  EXPECT_EQ(EscapeHtml("日本", 4), "日…");
  EXPECT_LT(EscapeHtml(std::string(5000, '<')).size(), 1000U);
}

TEST(FormatTest, FiguresHaveFourDigits) {
  EXPECT_EQ(FormatValue(0.471649), "0.4716");
  EXPECT_EQ(FormatValue(12.5), "12.5");
  EXPECT_EQ(FormatValue(1234.56), "1235");
  EXPECT_EQ(FormatValue(-0.00312), "-0.00312");
  EXPECT_EQ(FormatValue(0.0), "0");
  EXPECT_EQ(FormatValue(1e-9), "1e-09");
  EXPECT_EQ(FormatValue(std::numeric_limits<double>::quiet_NaN()), "–");
  EXPECT_EQ(FormatSigned(0.01234), "+0.0123");
  EXPECT_EQ(FormatSigned(-2.0), "-2");
  EXPECT_EQ(FormatShare(0.12345), "12.3 %");
  EXPECT_EQ(FormatOptional(std::nullopt), "–");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1'234'567), "1,234,567");
}

TEST(HtmlTableTest, EscapesWhatIsInIt) {
  HtmlTable table("a < b", {"<head>", "x"});
  table.Add({"<row>", "<cell>"});
  table.AddMarkup({"r"}, "<svg></svg>");
  const std::string html = table.Finish();
  EXPECT_THAT(html, HasSubstr("<caption>a &lt; b</caption>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"col\">&lt;head&gt;</th>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">&lt;row&gt;</th><td>&lt;cell&gt;</td>"));
  EXPECT_THAT(html, HasSubstr("<td><svg></svg></td>"));
}

std::vector<std::string> Labels(const PlotAxis& axis) {
  std::vector<std::string> labels;
  for (const AxisTick& tick : axis.ticks()) labels.push_back(tick.label);
  return labels;
}

TEST(PlotAxisTest, TicksAreRoundNumbers) {
  EXPECT_EQ(Labels(PlotAxis::Linear(0.0, 0.23, "", AxisUnit::kShare)),
            (std::vector<std::string>{"0 %", "5 %", "10 %", "15 %", "20 %"}));
  EXPECT_EQ(Labels(PlotAxis::Linear(-1.0, 1.0, "", AxisUnit::kNumber)),
            (std::vector<std::string>{"-1", "-0.5", "0", "0.5", "1"}));
  EXPECT_EQ(Labels(PlotAxis::Logarithmic(0.004, 0.3, "", AxisUnit::kShare)),
            (std::vector<std::string>{"0.5 %", "1 %", "2 %", "5 %", "10 %", "20 %"}));
  EXPECT_EQ(Labels(PlotAxis::LogOdds(std::log(0.05), std::log(20.0), "")),
            (std::vector<std::string>{"10 %", "25 %", "50 %", "75 %", "90 %"}));
}

TEST(PlotAxisTest, PlacesValuesBetweenItsEnds) {
  const PlotAxis linear = PlotAxis::Linear(10.0, 20.0, "", AxisUnit::kNumber);
  EXPECT_DOUBLE_EQ(linear.Position(12.5), 0.25);
  EXPECT_DOUBLE_EQ(linear.Position(99.0), 1.0);
  const PlotAxis logarithmic = PlotAxis::Logarithmic(0.01, 1.0, "", AxisUnit::kShare);
  EXPECT_NEAR(logarithmic.Position(0.1), 0.5, 1e-12);
  EXPECT_DOUBLE_EQ(logarithmic.Position(0.0), 0.0);
  EXPECT_DOUBLE_EQ(PlotAxis::Linear(3.0, 3.0, "", AxisUnit::kNumber).Position(3.0), 0.5);
}

TEST(PlotTest, DrawsWhereValuesAre) {
  Plot plot("A <plot>", PlotAxis::Linear(0, 1, "x & y", AxisUnit::kNumber),
            PlotAxis::Linear(0, 1, "y", AxisUnit::kNumber));
  plot.Line(std::vector<PlotPoint>{{0, 0}, {1, 1}}, "a");
  const std::string svg = plot.Finish();
  EXPECT_THAT(svg, HasSubstr("<title>A &lt;plot&gt;</title>"));
  EXPECT_THAT(svg, HasSubstr(">x &amp; y</text>"));
  EXPECT_THAT(svg, HasSubstr("points=\"64.0,254.0 400.0,10.0 \""));
}

TEST(BarChartTest, BarsGoToBothSidesOfZero) {
  const std::vector<ChartBar> bars = {{"up", 1.0}, {"<down>", -1.0}};
  const std::string svg = BarChart("Bars", bars, "adds", 24);
  EXPECT_THAT(svg, HasSubstr("&lt;down&gt;"));
  EXPECT_THAT(svg, HasSubstr("fill-a"));
  EXPECT_THAT(svg, HasSubstr("fill-minus"));
  EXPECT_THAT(svg, HasSubstr(">+1</text>"));
  EXPECT_THAT(BarChart("None", {}, "", 24), Not(HasSubstr("nan")));
}

TEST(SparklineTest, NothingAboveZeroIsDrawnFlat) {
  const std::string svg = Sparkline("s", std::vector<double>{0.0, 0.0});
  EXPECT_THAT(svg, HasSubstr("height=\"0.0\""));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace fmserve::tools
