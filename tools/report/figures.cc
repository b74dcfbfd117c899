#include "tools/report/figures.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/report/html.h"
#include "tools/report/svg.h"

namespace fmserve::tools {
namespace {

using trainer::ScoreBucket;

constexpr char kFirst[] = "a";  // css classes of the two models
constexpr char kSecond[] = "b";

bool IsBinary(const ReportData& data) { return data.task == model::Task::kBinary; }

std::string ShareOrValue(const ReportData& data, double value) {
  return IsBinary(data) ? FormatShare(value) : FormatValue(value);
}

// "model" alone, or both by their letters.
std::vector<std::pair<std::string, std::string>> ModelLegend(const ReportData& data) {
  if (!data.second) return {};
  return {{kFirst, absl::StrCat("A: ", data.first.path)},
          {kSecond, absl::StrCat("B: ", data.second->path)}};
}

std::vector<PlotPoint> PointsOf(const std::vector<trainer::CurvePoint>& curve) {
  std::vector<PlotPoint> points;
  points.reserve(curve.size());
  for (const trainer::CurvePoint& point : curve) points.emplace_back(point.x, point.y);
  return points;
}

std::string BucketTable(const ReportData& data, std::string_view caption,
                        std::string_view observed) {
  std::vector<std::string> header = {
      "Bucket",    "Rows", "Predictions from", "to", "Mean predicted", std::string(observed),
      "95 % from", "to"};
  if (data.second) header.insert(header.begin(), "Model");
  HtmlTable table(caption, header);
  const auto add = [&](const std::vector<ScoreBucket>& buckets, const std::string& model) {
    for (size_t i = 0; i < buckets.size(); ++i) {
      const ScoreBucket& bucket = buckets[i];
      std::vector<std::string> cells = {absl::StrCat(i + 1),
                                        FormatCount(bucket.rows),
                                        ShareOrValue(data, bucket.low),
                                        ShareOrValue(data, bucket.high),
                                        ShareOrValue(data, bucket.predicted),
                                        ShareOrValue(data, bucket.observed),
                                        ShareOrValue(data, bucket.observed_low),
                                        ShareOrValue(data, bucket.observed_high)};
      if (data.second) cells.insert(cells.begin(), model);
      table.Add(cells);
    }
  };
  add(data.evaluation.first.buckets, "A");
  if (data.evaluation.second) add(data.evaluation.second->buckets, "B");
  return table.Finish();
}

// The buckets of all models that are there.
std::vector<ScoreBucket> AllBuckets(const ReportData& data) {
  std::vector<ScoreBucket> all = data.evaluation.first.buckets;
  if (const auto& second = data.evaluation.second)
    all.insert(all.end(), second->buckets.begin(), second->buckets.end());
  return all;
}

// An axis that both predictions and labels fit on: logarithmic when shares differ by much.
PlotAxis ValueAxis(const ReportData& data, const std::string& label) {
  double low = HUGE_VAL;
  double low_above_zero = 1.0;
  double high = -HUGE_VAL;
  for (const ScoreBucket& bucket : AllBuckets(data)) {
    for (const double value : {bucket.predicted, bucket.observed}) {
      low = std::min(low, value);
      high = std::max(high, value);
      if (value > 0.0) low_above_zero = std::min(low_above_zero, value);
    }
  }
  if (!IsBinary(data)) {
    const double room = 0.05 * (high - low);
    return PlotAxis::Linear(low - room, high + room, label, AxisUnit::kNumber);
  }
  if (high / low_above_zero > 12.0) {
    return PlotAxis::Logarithmic(low_above_zero / 1.3, std::min(1.0, high * 1.3), label,
                                 AxisUnit::kShare);
  }
  return PlotAxis::Linear(0.0, std::min(1.0, high * 1.05), label, AxisUnit::kShare);
}

// Of what buckets observed: shares begin at 0, other labels where they begin.
PlotAxis RateAxis(const ReportData& data, const std::string& label) {
  const bool binary = IsBinary(data);
  double low = binary ? 0.0 : HUGE_VAL;
  double high = binary ? 0.0 : -HUGE_VAL;
  for (const ScoreBucket& bucket : AllBuckets(data)) {
    low = std::min({low, bucket.observed_low, bucket.predicted});
    high = std::max({high, bucket.observed_high, bucket.predicted});
  }
  if (binary) return PlotAxis::Linear(0.0, std::min(1.0, high * 1.02), label, AxisUnit::kShare);
  const double room = 0.03 * (high - low);
  return PlotAxis::Linear(low - room, high + room, label, AxisUnit::kNumber);
}

void DrawRates(const ReportData& data, const std::vector<ScoreBucket>& buckets, Plot& plot) {
  std::vector<PlotPoint> predicted;
  std::vector<PlotPoint> observed;
  for (size_t i = 0; i < buckets.size(); ++i) {
    const ScoreBucket& bucket = buckets[i];
    const auto x = static_cast<double>(i + 1);
    if (IsBinary(data)) plot.Bar(x - 0.4, x + 0.4, bucket.observed, "fill-a");
    plot.Whisker(x, bucket.observed_low, bucket.observed_high, IsBinary(data) ? "ink" : kFirst);
    predicted.emplace_back(x, bucket.predicted);
    observed.emplace_back(x, bucket.observed);
  }
  if (!IsBinary(data)) plot.Dots(observed, kFirst);
  plot.Line(predicted, "ink dashed");
}

void DrawCalibration(const std::vector<ScoreBucket>& buckets, const std::string& css, Plot& plot) {
  std::vector<PlotPoint> points;
  for (const ScoreBucket& bucket : buckets) {
    plot.Whisker(bucket.predicted, bucket.observed_low, bucket.observed_high, css);
    points.emplace_back(bucket.predicted, bucket.observed);
  }
  plot.Line(points, css);
  plot.Dots(points, css);
}

std::string CurveTable(const ReportData& data, std::string_view caption, const std::string& x,
                       const std::string& y,
                       std::vector<trainer::CurvePoint> trainer::RankingCurves::*curve) {
  std::vector<std::string> header = {"Predictions from", x, y};
  if (data.second) header.insert(header.begin(), "Model");
  HtmlTable table(caption, header);
  const auto add = [&](const trainer::ModelEvaluation& model, const std::string& name) {
    if (!model.ranking) return;
    for (const trainer::CurvePoint& point : (*model.ranking).*curve) {
      std::vector<std::string> cells = {FormatShare(point.threshold), FormatShare(point.x),
                                        FormatShare(point.y)};
      if (data.second) cells.insert(cells.begin(), name);
      table.Add(cells);
    }
  };
  add(data.evaluation.first, "A");
  if (data.evaluation.second) add(*data.evaluation.second, "B");
  return table.Finish();
}

// For a second model `b` beside the text for the first.
std::string BothFigures(const std::optional<double>& a, const std::optional<double>& b, bool two) {
  if (!two) return FormatOptional(a);
  return absl::StrCat(FormatOptional(a), " (A) and ", FormatOptional(b), " (B)");
}

void DrawHistogram(const trainer::Histogram& histogram, const std::string& css, Plot& plot) {
  for (size_t i = 0; i < histogram.weights.size(); ++i) {
    plot.Bar(histogram.left(i), histogram.left(i) + histogram.width(), histogram.weights[i], css);
  }
}

double HighestOf(const trainer::Histogram& histogram) {
  return *std::max_element(histogram.weights.begin(), histogram.weights.end());
}

double ShareOfLogOdds(double log_odds) { return 1.0 / (1.0 + std::exp(-log_odds)); }

}  // namespace

std::string FigureHtml(const Figure& figure) {
  std::string html =
      absl::StrCat("<figure id=\"", figure.id, "\"><figcaption><h3>", EscapeHtml(figure.title),
                   "</h3><p>", EscapeHtml(figure.reading, 1000), "</p>");
  if (!figure.legend.empty()) html += "<p class=\"legend\">";
  for (const auto& [css, name] : figure.legend)
    absl::StrAppend(&html, "<span><i class=\"key ", css, "\"></i>", EscapeHtml(name), "</span> ");
  if (!figure.legend.empty()) html += "</p>";
  absl::StrAppend(&html, "</figcaption>\n", figure.drawing, "<details><summary>Numbers</summary>\n",
                  figure.table, "</details></figure>\n");
  return html;
}

Figure RateByBucketFigure(const ReportData& data) {
  const trainer::ModelEvaluation& first = data.evaluation.first;
  const auto& second = data.evaluation.second;
  const std::string what = IsBinary(data) ? "Click rate" : "Mean label";
  const size_t count = std::max(first.buckets.size(), second ? second->buckets.size() : 0);
  Plot plot(absl::StrCat(what, " by score bucket"),
            PlotAxis::Buckets(std::max<size_t>(count, 1), "Score bucket, lowest scores first"),
            RateAxis(data, what));
  DrawRates(data, first.buckets, plot);
  Figure figure{.id = "rate-by-bucket",
                .title = absl::StrCat(what, " by score bucket"),
                .reading = {},
                .drawing = {},
                .table = BucketTable(data, absl::StrCat(what, " by score bucket"), what),
                .legend = {{IsBinary(data) ? "fill-a" : "a dot",
                            data.second ? "A, observed" : "observed, with 95 % interval"},
                           {"ink dashed", data.second ? "A, predicted" : "predicted"}}};
  if (second) {
    std::vector<PlotPoint> observed;
    for (size_t i = 0; i < second->buckets.size(); ++i)
      observed.emplace_back(static_cast<double>(i + 1), second->buckets[i].observed);
    plot.Dots(observed, kSecond);
    figure.legend.emplace_back("b dot", "B, observed");
  }
  figure.drawing = plot.Finish();
  figure.reading = absl::StrCat(
      "Rows in order of score, in buckets of equal size; each should stand above the one before. "
      "Rank correlation of score and ",
      IsBinary(data) ? "click rate" : "label", " over the buckets: ",
      BothFigures(first.bucket_correlation, second ? second->bucket_correlation : std::nullopt,
                  second.has_value()),
      "; linear correlation over single rows: ",
      BothFigures(first.row_correlation, second ? second->row_correlation : std::nullopt,
                  second.has_value()),
      ".");
  return figure;
}

Figure CalibrationFigure(const ReportData& data) {
  const bool binary = IsBinary(data);
  const std::string title = binary ? "Calibration" : "Predicted against actual";
  const PlotAxis x = ValueAxis(data, "Mean prediction");
  Plot plot(title, x, ValueAxis(data, binary ? "Click rate" : "Mean label"));
  const auto [low, high] = x.ends();
  plot.Line(std::vector<PlotPoint>{{low, low}, {high, high}}, "soft dashed");
  DrawCalibration(data.evaluation.first.buckets, kFirst, plot);
  if (data.evaluation.second) DrawCalibration(data.evaluation.second->buckets, kSecond, plot);
  Figure figure{.id = "calibration",
                .title = title,
                .reading = absl::StrCat(
                    "Each dot is a score bucket; on the dashed line ",
                    binary ? "clicks are as frequent as predicted, below it the model promises "
                             "too many."
                           : "labels are on average what was predicted."),
                .drawing = plot.Finish(),
                .table = BucketTable(data, title, binary ? "Click rate" : "Mean label"),
                .legend = ModelLegend(data)};
  return figure;
}

Figure ScoreFigure(const ReportData& data) {
  const trainer::ScoreHistograms& scores = *data.evaluation.first.scores;
  const double high = std::max(HighestOf(scores.negatives), HighestOf(scores.positives));
  Plot plot("Distribution of predictions, clicked and not clicked",
            PlotAxis::LogOdds(scores.negatives.low, scores.negatives.high,
                              "Prediction (scale of log-odds)"),
            PlotAxis::Linear(0.0, high * 1.05, "Share of the rows", AxisUnit::kShare));
  DrawHistogram(scores.negatives, "fill-soft", plot);
  DrawHistogram(scores.positives, "fill-a half", plot);
  HtmlTable table("Distribution of predictions",
                  {"Predictions from", "to", "Share of not clicked", "Share of clicked"});
  for (size_t i = 0; i < scores.negatives.weights.size(); ++i) {
    table.Add({FormatShare(ShareOfLogOdds(scores.negatives.left(i))),
               FormatShare(ShareOfLogOdds(scores.negatives.left(i) + scores.negatives.width())),
               FormatShare(scores.negatives.weights[i]), FormatShare(scores.positives.weights[i])});
  }
  return {.id = "scores",
          .title = "Score distribution",
          .reading = absl::StrCat(data.second ? "Of model A. " : "",
                                  "Each colour adds up to 100 %. The further apart the two are, "
                                  "the better the model tells clicks from the rest."),
          .drawing = plot.Finish(),
          .table = table.Finish(),
          .legend = {{"fill-soft", "not clicked"}, {"fill-a half", "clicked"}}};
}

Figure RocFigure(const ReportData& data) {
  Plot plot("ROC curve", PlotAxis::Linear(0.0, 1.0, "False positive rate", AxisUnit::kShare),
            PlotAxis::Linear(0.0, 1.0, "True positive rate", AxisUnit::kShare));
  plot.Line(std::vector<PlotPoint>{{0.0, 0.0}, {1.0, 1.0}}, "soft dashed");
  plot.Line(PointsOf(data.evaluation.first.ranking->roc), kFirst);
  const auto& second = data.evaluation.second;
  if (second && second->ranking) plot.Line(PointsOf(second->ranking->roc), kSecond);
  const auto auc = static_cast<size_t>(trainer::Measure::kAuc);
  return {.id = "roc",
          .title = "ROC curve",
          .reading = absl::StrCat(
              "Share of the clicks found against share of the rest that is taken for clicks. Area "
              "under the curve: ",
              BothFigures(data.evaluation.first.measures[auc].value,
                          second ? second->measures[auc].value : std::nullopt, second.has_value()),
              "; chance is 0.5."),
          .drawing = plot.Finish(),
          .table = CurveTable(data, "ROC curve", "False positive rate", "True positive rate",
                              &trainer::RankingCurves::roc),
          .legend = ModelLegend(data)};
}

Figure PrecisionRecallFigure(const ReportData& data) {
  const trainer::RankingCurves& first = *data.evaluation.first.ranking;
  const auto& second = data.evaluation.second;
  double high = first.positive_share;
  for (const auto& point : first.precision_recall) high = std::max(high, point.y);
  if (second && second->ranking) {
    for (const auto& point : second->ranking->precision_recall) high = std::max(high, point.y);
  }
  Plot plot("Precision and recall", PlotAxis::Linear(0.0, 1.0, "Recall", AxisUnit::kShare),
            PlotAxis::Linear(0.0, std::min(1.0, high * 1.05), "Precision", AxisUnit::kShare));
  plot.Line(std::vector<PlotPoint>{{0.0, first.positive_share}, {1.0, first.positive_share}},
            "soft dashed");
  plot.Line(PointsOf(first.precision_recall), kFirst);
  std::optional<double> second_average;
  if (second && second->ranking) {
    plot.Line(PointsOf(second->ranking->precision_recall), kSecond);
    second_average = second->ranking->average_precision;
  }
  return {.id = "precision-recall",
          .title = "Precision and recall",
          .reading = absl::StrCat(
              "Click rate among the rows above a threshold, against the share of all clicks among "
              "them. Average precision: ",
              BothFigures(first.average_precision, second_average, second.has_value()),
              "; chance is ", FormatValue(first.positive_share), " (dashed)."),
          .drawing = plot.Finish(),
          .table = CurveTable(data, "Precision and recall", "Recall", "Precision",
                              &trainer::RankingCurves::precision_recall),
          .legend = ModelLegend(data)};
}

Figure ResidualFigure(const ReportData& data) {
  const trainer::Histogram& residuals = *data.evaluation.first.residuals;
  Plot plot(
      "Distribution of residuals",
      PlotAxis::Linear(residuals.low, residuals.high, "Label minus prediction", AxisUnit::kNumber),
      PlotAxis::Linear(0.0, HighestOf(residuals) * 1.05, "Share of the rows", AxisUnit::kShare));
  DrawHistogram(residuals, "fill-a", plot);
  HtmlTable table("Distribution of residuals", {"Residual from", "to", "Share of the rows"});
  for (size_t i = 0; i < residuals.weights.size(); ++i) {
    table.Add({FormatValue(residuals.left(i)), FormatValue(residuals.left(i) + residuals.width()),
               FormatShare(residuals.weights[i])});
  }
  return {.id = "residuals",
          .title = "Residuals",
          .reading = absl::StrCat(data.second ? "Of model A. " : "",
                                  "What was observed less what was predicted. A good model has a "
                                  "narrow hill around 0."),
          .drawing = plot.Finish(),
          .table = table.Finish()};
}

}  // namespace fmserve::tools
