#include "tools/report/page.h"

#include <array>
#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/report/figures.h"
#include "tools/report/html.h"
#include "tools/report/page_style.h"
#include "tools/report/svg.h"

namespace fmserve::tools {
namespace {

using trainer::Estimate;
using trainer::Measure;

struct ShownMeasure {
  Measure measure;
  const char* name;
  const char* reading;
  double best;  // small is good, but for these: 1 for calibration, +1 for AUC
};

constexpr double kSmall = 0.0;

constexpr std::array<ShownMeasure, 5> kBinaryMeasures = {{
    {Measure::kLogloss, "Logloss", "smaller is better", kSmall},
    {Measure::kAuc, "AUC", "1 is best, 0.5 is chance", 1.0},
    {Measure::kCalibration, "Calibration ratio", "predicted over observed; 1 is best", 1.0},
    {Measure::kNormalizedEntropy, "Normalized entropy", "1 is always guessing the mean", kSmall},
    {Measure::kRmse, "RMSE", "of probabilities; smaller is better", kSmall},
}};
constexpr std::array<ShownMeasure, 3> kRegressionMeasures = {{
    {Measure::kRmse, "RMSE", "smaller is better", kSmall},
    {Measure::kMeanAbsoluteError, "MAE", "mean absolute error; smaller is better", kSmall},
    {Measure::kCalibration, "Calibration ratio", "mean predicted over mean label; 1 is best", 1.0},
}};

std::vector<ShownMeasure> MeasuresOf(const ReportData& data) {
  if (data.task == model::Task::kBinary) return {kBinaryMeasures.begin(), kBinaryMeasures.end()};
  return {kRegressionMeasures.begin(), kRegressionMeasures.end()};
}

const Estimate& At(const trainer::Estimates& estimates, Measure measure) {
  return estimates[static_cast<size_t>(measure)];
}

std::string IntervalText(const Estimate& estimate) {
  if (!estimate.interval) return "–";
  return absl::StrCat(FormatValue(estimate.interval->low), " to ",
                      FormatValue(estimate.interval->high));
}

std::string FileName(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

std::string Section(std::string_view title, const std::string& content) {
  return absl::StrCat("<section><h2>", EscapeHtml(title), "</h2>\n", content, "</section>\n");
}

std::string Head(const ReportData& data) {
  const std::string name = EscapeHtml(FileName(data.first.path));
  std::string html = absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; img-src data:\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
      name, " – fm report</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>", kPageStyle,
      "</style>\n</head>\n<body>\n<main>\n<header><h1>");
  if (data.second) {
    absl::StrAppend(&html, "A: ", name, " and B: ", EscapeHtml(FileName(data.second->path)));
  } else {
    html += name;
  }
  absl::StrAppend(&html, "</h1>\n<p class=\"lead\">On ", EscapeHtml(FileName(data.data_path)), ", ",
                  FormatCount(data.rows_read), " rows");
  if (data.rows_used < data.rows_read) {
    absl::StrAppend(&html, ", of which ", FormatCount(data.rows_used),
                    " drawn evenly are what all figures are about");
  }
  return html + ".</p></header>\n";
}

std::string Cards(const ReportData& data) {
  std::string html = "<div class=\"cards\">\n";
  for (const ShownMeasure& shown : MeasuresOf(data)) {
    const Estimate& estimate = At(data.evaluation.first.measures, shown.measure);
    absl::StrAppend(&html, R"(<div class="card" data-measure=")", std::string(Name(shown.measure)),
                    R"("><span class="label">)", shown.name, "</span><b>",
                    FormatOptional(estimate.value), "</b><span>95 %: ", IntervalText(estimate),
                    "</span><span>", shown.reading, "</span></div>\n");
  }
  return html + "</div>\n";
}

// Whether the second model does better, as far as the interval of the difference tells.
std::string Verdict(const ShownMeasure& shown, const Estimate& difference) {
  if (!difference.interval || shown.measure == Measure::kCalibration) return "–";
  const auto [low, high] = *difference.interval;
  if (low <= 0.0 && high >= 0.0) return "no clear difference";
  return (low > 0.0) == (shown.best > 0.0) ? "B is better" : "A is better";
}

std::string SignedInterval(const Estimate& difference) {
  if (!difference.interval) return "–";
  return absl::StrCat(FormatSigned(difference.interval->low), " to ",
                      FormatSigned(difference.interval->high));
}

std::string Comparison(const ReportData& data) {
  HtmlTable table("A and B on the same rows", {"Measure", "A", "B", "B − A", "95 % of that",
                                               "Verdict", "95 % of A", "95 % of B"});
  for (const ShownMeasure& shown : MeasuresOf(data)) {
    const Estimate& first = At(data.evaluation.first.measures, shown.measure);
    const Estimate& second = At(data.evaluation.second->measures, shown.measure);
    const Estimate& difference = At(data.evaluation.differences, shown.measure);
    table.Add({shown.name, FormatOptional(first.value), FormatOptional(second.value),
               difference.value ? FormatSigned(*difference.value) : "–", SignedInterval(difference),
               Verdict(shown, difference), IntervalText(first), IntervalText(second)});
  }
  return Section(
      "A and B on the same rows",
      absl::StrCat("<div class=\"panel\" id=\"comparison\"><p class=\"note\">Both models "
                   "predict the same rows, and each resample of the bootstrap counts "
                   "them alike, so that the interval of the difference is far narrower "
                   "than those of A and B suggest.</p>\n",
                   table.Finish(), "</div>\n"));
}

std::string GroupTable(const ReportData& data) {
  const bool binary = data.task == model::Task::kBinary;
  HtmlTable table(absl::StrCat("By ", data.group_field),
                  {data.group_field, "Rows", binary ? "Click rate" : "Mean label", "Mean predicted",
                   "Calibration", binary ? "AUC" : "RMSE", "Rank correlation",
                   binary ? "Click rate by bucket" : "Mean label by bucket"});
  for (const trainer::GroupSummary& group : data.evaluation.groups) {
    std::vector<double> observed;
    for (const trainer::ScoreBucket& bucket : group.buckets) observed.push_back(bucket.observed);
    const auto measure = [&group](Measure m) {
      return FormatOptional(group.measures[static_cast<size_t>(m)]);
    };
    const auto rate = [binary](double v) { return binary ? FormatShare(v) : FormatValue(v); };
    table.AddMarkup(
        {group.value, FormatCount(group.rows), rate(group.observed), rate(group.predicted),
         measure(Measure::kCalibration), measure(binary ? Measure::kAuc : Measure::kRmse),
         FormatOptional(group.rank_correlation)},
        Sparkline(absl::StrCat("By bucket: ", group.value), observed));
  }
  return absl::StrCat(
      "<figure id=\"groups\"><figcaption><h3>By ", EscapeHtml(data.group_field), "</h3><p>",
      data.second ? "Of model A. " : "", "The most frequent values of ",
      EscapeHtml(data.group_field), ". Rank correlation is that of score and ",
      binary ? "click rate" : "label",
      " over buckets of the value's own rows, which the small bars show from the lowest scores to "
      "the highest: near 1, a higher score means more within this value, too.</p></figcaption>\n",
      table.Finish(), "</figure>\n");
}

std::string ScoreSections(const ReportData& data) {
  const trainer::ModelEvaluation& first = data.evaluation.first;
  const bool binary = data.task == model::Task::kBinary;
  std::string figures;
  if (!first.buckets.empty())
    figures += FigureHtml(RateByBucketFigure(data)) + FigureHtml(CalibrationFigure(data));
  std::string html = Section(
      binary ? "Does a higher score mean more clicks?" : "Does a higher score mean a higher label?",
      absl::StrCat("<div class=\"grid\">\n", figures, "</div>\n"));
  if (!data.evaluation.groups.empty())
    html += Section(absl::StrCat("Value by value of ", data.group_field), GroupTable(data));
  std::string ranking;
  if (first.ranking)
    ranking += FigureHtml(RocFigure(data)) + FigureHtml(PrecisionRecallFigure(data));
  if (first.scores) ranking += FigureHtml(ScoreFigure(data));
  if (first.residuals) ranking += FigureHtml(ResidualFigure(data));
  if (!data.first.curve.epochs.empty()) ranking += FigureHtml(LearningFigure(data));
  return html + Section(binary ? "Ranking and learning" : "Errors and learning",
                        absl::StrCat("<div class=\"grid\">\n", ranking, "</div>\n"));
}

std::string ModelSection(const ReportData& data) {
  std::string figures;
  if (!data.importance.empty()) figures += FigureHtml(ImportanceFigure(data));
  if (!data.weights.empty()) figures += FigureHtml(WeightsFigure(data));
  if (!data.interactions.empty()) figures += FigureHtml(InteractionsFigure(data));
  if (figures.empty()) return "";
  return Section("What the model goes by",
                 absl::StrCat("<div class=\"grid\">\n", figures, "</div>\n"));
}

std::string FactList(const ReportedModel& model, std::string_view title) {
  std::string html = absl::StrCat("<div class=\"panel\"><h3>", EscapeHtml(title), "</h3><dl>\n");
  for (const auto& [name, value] : model.facts)
    absl::StrAppend(&html, "<dt>", EscapeHtml(name), "</dt><dd>", EscapeHtml(value), "</dd>\n");
  return html + "</dl></div>\n";
}

std::string Notes(const ReportData& data) {
  std::string html = data.second
                         ? FactList(data.first, "Model A") + FactList(*data.second, "Model B")
                         : FactList(data.first, "Model");
  absl::StrAppend(
      &html, "<p class=\"note\">Intervals are those of the bootstrap: ", trainer::kReportResamples,
      " resamples of the rows, of which the middle 95 % are shown. They tell what another draw of "
      "as many rows could have given, as if rows were independent: where many rows come from the "
      "same few users, the truth is less certain than that. Intervals of buckets are ",
      data.task == model::Task::kBinary ? "Wilson's" : "those of a mean", ".</p>\n");
  return Section("About these figures", html);
}

}  // namespace

std::string ReportPage(const ReportData& data) {
  std::string html = Head(data);
  html += data.second ? Comparison(data) : Cards(data);
  html += ScoreSections(data);
  html += ModelSection(data);
  html += Notes(data);
  return html + "</main>\n</body>\n</html>\n";
}

}  // namespace fmserve::tools
