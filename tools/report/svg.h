// Plots as inline SVG, coloured by the classes of the page's style sheet.
#ifndef FMSERVE_TOOLS_REPORT_SVG_H_
#define FMSERVE_TOOLS_REPORT_SVG_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fmserve::tools {

enum class AxisUnit { kNumber, kShare };  // kShare: 0.1 reads "10 %"

struct AxisTick {
  double value = 0.0;
  std::string label;
};

// From values to places on an axis. Immutable.
class PlotAxis {
 public:
  // Labels are plain text. `low` < `high`, or the axis makes room around the one value.
  static PlotAxis Linear(double low, double high, std::string label, AxisUnit unit);
  // 0 < low.
  static PlotAxis Logarithmic(double low, double high, std::string label, AxisUnit unit);
  // Values are log-odds; ticks read as the shares that they stand for.
  static PlotAxis LogOdds(double low, double high, std::string label);
  // Buckets 1 to count, each as wide as its neighbour.
  static PlotAxis Buckets(size_t count, std::string label);

  // The values at its ends.
  std::pair<double, double> ends() const;

  // 0 to 1; what lies outside is cut.
  double Position(double value) const;
  const std::string& label() const { return label_; }
  const std::vector<AxisTick>& ticks() const { return ticks_; }

 private:
  PlotAxis(double low, double high, std::string label);

  double low_;
  double high_;
  bool logarithmic_ = false;
  std::string label_;
  std::vector<AxisTick> ticks_;
};

using PlotPoint = std::pair<double, double>;

// One plot; what is drawn later lies on top. `css` are classes of the page.
class Plot {
 public:
  // `title` is what a screen reader says.
  Plot(std::string_view title, PlotAxis x, PlotAxis y);

  void Line(std::span<const PlotPoint> points, std::string_view css);
  void Dots(std::span<const PlotPoint> points, std::string_view css);
  void Bar(double left, double right, double top, std::string_view css);  // from the bottom
  void Whisker(double x, double low, double high, std::string_view css);

  std::string Finish() const;

 private:
  double X(double value) const;
  double Y(double value) const;

  PlotAxis x_;
  PlotAxis y_;
  std::string svg_;
};

struct ChartBar {
  std::string label;  // plain text
  double value = 0.0;
  std::optional<std::pair<double, double>> range{};
};

// Horizontal bars to both sides of zero, one below the other, with their values. Labels are cut
// after `label_bytes`, for which there is room: up to 40.
std::string BarChart(std::string_view title, std::span<const ChartBar> bars,
                     std::string_view axis_label, size_t label_bytes);

// A small line without axes, from 0 to the largest value.
std::string Sparkline(std::string_view title, std::span<const double> values);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_REPORT_SVG_H_
