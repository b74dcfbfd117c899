#include "tools/report/svg.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/report/html.h"

namespace fmserve::tools {
namespace {

// The drawing in its own units, which the page scales.
constexpr double kPlotWidth = 420.0;
constexpr double kPlotHeight = 300.0;
constexpr double kPlotLeft = 64.0;
constexpr double kPlotRight = 20.0;
constexpr double kPlotTop = 10.0;
constexpr double kPlotBottom = 46.0;
constexpr double kBarHeight = 20.0;
constexpr double kBarValueWidth = 70.0;
constexpr double kLetterWidth = 7.0;  // of tick labels in a wide font

std::string TickLabel(double value, AxisUnit unit) {
  return unit == AxisUnit::kShare ? FormatShare(value) : FormatValue(value);
}

// The smallest of 1, 2, 2.5 and 5 times a power of ten that makes at most `most` steps of `range`.
double NiceStep(double range, double most) {
  const double power = std::pow(10.0, std::floor(std::log10(range / most)));
  for (const double factor : {1.0, 2.0, 2.5, 5.0}) {
    if (range / (factor * power) <= most) return factor * power;
  }
  return 10.0 * power;
}

std::string OpenSvg(std::string_view title, double width, double height, std::string_view css) {
  return absl::StrFormat(
      "<svg class=\"%s\" viewBox=\"0 0 %.0f %.0f\" role=\"img\"><title>%s</title>\n",
      std::string(css), width, height, EscapeHtml(title));
}

std::string SvgText(double x, double y, std::string_view css, std::string_view text) {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">%s</text>\n", x, y,
                         std::string(css), EscapeHtml(text));
}

std::string SvgLine(double x1, double y1, double x2, double y2, std::string_view css) {
  return absl::StrFormat("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n",
                         x1, y1, x2, y2, std::string(css));
}

std::string SvgRect(double x, double y, double width, double height, std::string_view css) {
  return absl::StrFormat(
      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s\"/>\n", x, y,
      std::max(width, 0.0), std::max(height, 0.0), std::string(css));
}

}  // namespace

PlotAxis::PlotAxis(double low, double high, std::string label)
    : low_(low), high_(high), label_(std::move(label)) {
  if (high_ > low_) return;
  const double room = low_ == 0.0 ? 1.0 : std::abs(low_) * 0.1;
  low_ -= room;
  high_ += room;
}

PlotAxis PlotAxis::Linear(double low, double high, std::string label, AxisUnit unit) {
  PlotAxis axis(low, high, std::move(label));
  const double step = NiceStep(axis.high_ - axis.low_, 6.0);
  const double first = std::ceil(axis.low_ / step - 1e-9);
  const auto steps = static_cast<int>(std::floor(axis.high_ / step + 1e-9) - first);
  for (int i = 0; i <= steps; ++i) {
    const double value = (first + i) * step;
    axis.ticks_.push_back({value, TickLabel(value, unit)});
  }
  return axis;
}

PlotAxis PlotAxis::Logarithmic(double low, double high, std::string label, AxisUnit unit) {
  PlotAxis axis(std::log10(low), std::log10(high), std::move(label));
  axis.logarithmic_ = true;
  const bool fine = axis.high_ - axis.low_ < 2.5;
  const auto last_power = static_cast<int>(std::floor(axis.high_));
  for (auto power = static_cast<int>(std::floor(axis.low_)); power <= last_power; ++power) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * std::pow(10.0, power);
      const double place = std::log10(value);
      if (place < axis.low_ - 1e-9 || place > axis.high_ + 1e-9) continue;
      if (factor == 1.0 || fine) axis.ticks_.push_back({value, TickLabel(value, unit)});
    }
  }
  return axis;
}

PlotAxis PlotAxis::LogOdds(double low, double high, std::string label) {
  PlotAxis axis(low, high, std::move(label));
  double last = 0.0;
  for (const double share : {0.00001, 0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 0.9,
                             0.97, 0.99, 0.999, 0.9999}) {
    const double value = std::log(share / (1.0 - share));
    const bool near = !axis.ticks_.empty() && axis.Position(value) - last < 0.09;
    if (value < axis.low_ || value > axis.high_ || near) continue;
    last = axis.Position(value);
    axis.ticks_.push_back({value, FormatShare(share)});
  }
  return axis;
}

PlotAxis PlotAxis::Buckets(size_t count, std::string label) {
  PlotAxis axis(0.5, static_cast<double>(count) + 0.5, std::move(label));
  const size_t step = count > 12 ? 5 : 1;
  for (size_t i = 1; i <= count; ++i) {
    if (i == 1 || i % step == 0) axis.ticks_.push_back({static_cast<double>(i), absl::StrCat(i)});
  }
  return axis;
}

std::pair<double, double> PlotAxis::ends() const {
  if (logarithmic_) return {std::pow(10.0, low_), std::pow(10.0, high_)};
  return {low_, high_};
}

double PlotAxis::Position(double value) const {
  if (logarithmic_) value = value > 0.0 ? std::log10(value) : low_;
  return std::clamp((value - low_) / (high_ - low_), 0.0, 1.0);
}

Plot::Plot(std::string_view title, PlotAxis x, PlotAxis y) : x_(std::move(x)), y_(std::move(y)) {
  svg_ = OpenSvg(title, kPlotWidth, kPlotHeight, "plot");
  const double bottom = kPlotHeight - kPlotBottom;
  for (const AxisTick& tick : y_.ticks()) {
    svg_ += SvgLine(kPlotLeft, Y(tick.value), kPlotWidth - kPlotRight, Y(tick.value), "grid");
    svg_ += SvgText(kPlotLeft - 6.0, Y(tick.value) + 4.0, "tick end", tick.label);
  }
  for (const AxisTick& tick : x_.ticks()) {
    svg_ += SvgLine(X(tick.value), bottom, X(tick.value), bottom + 4.0, "axis");
    svg_ += SvgText(X(tick.value), bottom + 17.0, "tick middle", tick.label);
  }
  svg_ += SvgLine(kPlotLeft, bottom, kPlotWidth - kPlotRight, bottom, "axis");
  svg_ += SvgText((kPlotLeft + kPlotWidth - kPlotRight) / 2.0, kPlotHeight - 8.0, "name middle",
                  x_.label());
  absl::StrAppendFormat(&svg_,
                        "<text transform=\"translate(12 %.1f) rotate(-90)\" class=\"name middle\">"
                        "%s</text>\n",
                        (kPlotTop + bottom) / 2.0, EscapeHtml(y_.label()));
}

double Plot::X(double value) const {
  return kPlotLeft + x_.Position(value) * (kPlotWidth - kPlotLeft - kPlotRight);
}

double Plot::Y(double value) const {
  const double bottom = kPlotHeight - kPlotBottom;
  return bottom - y_.Position(value) * (bottom - kPlotTop);
}

void Plot::Line(std::span<const PlotPoint> points, std::string_view css) {
  absl::StrAppend(&svg_, "<polyline class=\"line ", std::string(css), "\" points=\"");
  for (const auto& [x, y] : points) absl::StrAppendFormat(&svg_, "%.1f,%.1f ", X(x), Y(y));
  svg_ += "\"/>\n";
}

void Plot::Dots(std::span<const PlotPoint> points, std::string_view css) {
  for (const auto& [x, y] : points) {
    absl::StrAppendFormat(&svg_, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" class=\"%s\"/>\n", X(x),
                          Y(y), std::string(css));
  }
}

void Plot::Bar(double left, double right, double top, std::string_view css) {
  svg_ += SvgRect(X(left), Y(top), X(right) - X(left), kPlotHeight - kPlotBottom - Y(top), css);
}

void Plot::Whisker(double x, double low, double high, std::string_view css) {
  svg_ += SvgLine(X(x), Y(low), X(x), Y(high), absl::StrCat("whisker ", std::string(css)));
}

std::string Plot::Finish() const { return svg_ + "</svg>\n"; }

std::string BarChart(std::string_view title, std::span<const ChartBar> bars,
                     std::string_view axis_label, size_t label_bytes) {
  double low = 0.0;
  double high = 0.0;
  for (const ChartBar& bar : bars) {
    low = std::min({low, bar.value, bar.range ? bar.range->first : 0.0});
    high = std::max({high, bar.value, bar.range ? bar.range->second : 0.0});
  }
  if (!(high > low)) high = low + 1.0;
  const double height = kBarHeight * static_cast<double>(bars.size()) + 24.0;
  const double label_width = kLetterWidth * static_cast<double>(label_bytes);
  const double width = kPlotWidth - label_width - kBarValueWidth;
  const auto place = [&](double value) {
    return label_width + (value - low) / (high - low) * width;
  };
  std::string svg = OpenSvg(title, kPlotWidth, height, "bars");
  double top = 0.0;
  for (const ChartBar& bar : bars) {
    const double middle = top + kBarHeight / 2.0;
    absl::StrAppendFormat(&svg, "<text x=\"%.1f\" y=\"%.1f\" class=\"tick end\">%s</text>\n",
                          label_width - 6.0, middle + 4.0, EscapeHtml(bar.label, label_bytes));
    svg += SvgRect(std::min(place(0.0), place(bar.value)), top + 3.0,
                   std::abs(place(bar.value) - place(0.0)), kBarHeight - 6.0,
                   bar.value < 0.0 ? "fill-minus" : "fill-a");
    if (bar.range) {
      svg +=
          SvgLine(place(bar.range->first), middle, place(bar.range->second), middle, "whisker ink");
    }
    svg += SvgText(kPlotWidth, middle + 4.0, "tick end", FormatSigned(bar.value));
    top += kBarHeight;
  }
  svg += SvgLine(place(0.0), 0.0, place(0.0), top, "axis");
  svg += SvgText(label_width + width / 2.0, top + 17.0, "name middle", axis_label);
  return svg + "</svg>\n";
}

std::string Sparkline(std::string_view title, std::span<const double> values) {
  constexpr double kWidth = 90.0;
  constexpr double kHeight = 24.0;
  double highest = 0.0;
  for (const double value : values) highest = std::max(highest, value);
  std::string svg = OpenSvg(title, kWidth, kHeight, "spark");
  svg += SvgLine(0.0, kHeight - 1.0, kWidth, kHeight - 1.0, "grid");
  const double step = kWidth / static_cast<double>(std::max<size_t>(values.size(), 1));
  for (size_t i = 0; i < values.size(); ++i) {
    const double share = highest > 0.0 ? std::max(values[i], 0.0) / highest : 0.0;
    const double bar = share * (kHeight - 2.0);
    svg += SvgRect(static_cast<double>(i) * step + 0.5, kHeight - 1.0 - bar, step - 1.0, bar,
                   "fill-a");
  }
  return svg + "</svg>";
}

}  // namespace fmserve::tools
