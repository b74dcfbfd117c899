#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/report/figures.h"
#include "tools/report/html.h"
#include "tools/report/svg.h"

namespace fmserve::tools {
namespace {

constexpr size_t kNarrowLabelBytes = 22;
constexpr size_t kWideLabelBytes = 35;

// Figures about one model say which, when there are two.
std::string Whose(const ReportData& data) { return data.second ? "Of model A. " : ""; }

std::string LossName(const ReportData& data) {
  return data.task == model::Task::kBinary ? "logloss" : "RMSE";
}

std::vector<PlotPoint> LearningPoints(const LearningCurve& curve, bool valid) {
  std::vector<PlotPoint> points;
  for (const LearningEpoch& epoch : curve.epochs) {
    if (valid && !epoch.valid_loss) continue;
    points.emplace_back(epoch.epoch, valid ? *epoch.valid_loss : epoch.train_loss);
  }
  return points;
}

}  // namespace

Figure LearningFigure(const ReportData& data) {
  const LearningCurve& curve = data.first.curve;
  const std::string loss = LossName(data);
  const std::vector<PlotPoint> train = LearningPoints(curve, false);
  const std::vector<PlotPoint> valid = LearningPoints(curve, true);
  double low = HUGE_VAL;
  double high = -HUGE_VAL;
  for (const auto* points : {&train, &valid}) {
    for (const PlotPoint& point : *points) {
      low = std::min(low, point.second);
      high = std::max(high, point.second);
    }
  }
  const double room = 0.05 * (high - low);
  const double last = std::max(2.0, static_cast<double>(curve.epochs.back().epoch));
  Plot plot("Learning curves", PlotAxis::Linear(1.0, last, "Epoch", AxisUnit::kNumber),
            PlotAxis::Linear(low - room, high + room, loss, AxisUnit::kNumber));
  if (curve.best_epoch > 0 && curve.best_epoch <= last)
    plot.Whisker(curve.best_epoch, low - room, high + room, "soft");
  plot.Line(train, "soft");
  plot.Dots(train, "soft");
  plot.Line(valid, "a");
  plot.Dots(valid, "a");
  HtmlTable table("Learning curves", {"Epoch", "Training", "Validation"});
  for (const LearningEpoch& epoch : curve.epochs)
    table.Add({absl::StrCat(epoch.epoch), FormatValue(epoch.train_loss),
               FormatOptional(epoch.valid_loss)});
  return {
      .id = "learning",
      .title = "Learning curves",
      .reading = absl::StrCat(
          Whose(data), "The ", loss,
          " of the validation rows after each epoch, and of the training rows as they were learned "
          "from. ",
          valid.empty() ? "There were no validation rows."
                        : "Where the validation curve turns up, the model begins to learn its "
                          "training rows by heart.",
          curve.best_epoch > 0 ? absl::StrCat(" Kept: epoch ", curve.best_epoch, ".") : ""),
      .drawing = plot.Finish(),
      .table = table.Finish(),
      .legend = {{"soft", "training"}, {"a", "validation"}}};
}

Figure ImportanceFigure(const ReportData& data) {
  const std::string loss = LossName(data);
  std::vector<ChartBar> bars;
  HtmlTable table("Importance per field",
                  {"Field", absl::StrCat("Rise of ", loss), "Smallest", "Largest"});
  for (const ReportedImportance& field : data.importance) {
    bars.push_back({field.field, field.mean, std::pair(field.low, field.high)});
    table.Add(
        {field.field, FormatSigned(field.mean), FormatSigned(field.low), FormatSigned(field.high)});
  }
  return {
      .id = "importance",
      .title = "Importance per field",
      .reading = absl::StrCat(
          Whose(data), "Permutation importance: how much the ", loss, " of ",
          FormatCount(data.importance_rows),
          " rows rises when the column of a field is shuffled between them; mean, smallest and "
          "largest of ",
          data.importance_shuffles, " shuffles. Fields that say the same share their importance."),
      .drawing =
          BarChart("Importance per field", bars, absl::StrCat("Rise of ", loss), kNarrowLabelBytes),
      .table = table.Finish()};
}

Figure WeightsFigure(const ReportData& data) {
  std::vector<ChartBar> bars;
  HtmlTable table("Largest weights", {"Feature", "Weight w", "Training rows"});
  for (const ReportedWeight& weight : data.weights) {
    bars.push_back({weight.feature, weight.w});
    table.Add({weight.feature, FormatSigned(weight.w),
               data.weights_min_count > 0 ? FormatCount(weight.count) : "unknown"});
  }
  return {
      .id = "weights",
      .title = "Largest weights",
      .reading = absl::StrCat(
          Whose(data), "What a feature adds to the score by itself, whatever stands beside it",
          data.weights_min_count > 0 ? absl::StrCat("; of features that at least ",
                                                    data.weights_min_count, " training rows have.")
                                     : ".",
          " For a number: per unit of it."),
      .drawing = BarChart("Largest weights", bars, "Weight w", kNarrowLabelBytes),
      .table = table.Finish()};
}

Figure InteractionsFigure(const ReportData& data) {
  std::vector<ChartBar> bars;
  HtmlTable table("Largest interactions", {"Feature", "with", "Adds to the score",
                                           "Rows with the first", "with the second"});
  for (const ReportedInteraction& pair : data.interactions) {
    bars.push_back({absl::StrCat(pair.first, " × ", pair.second), pair.interaction});
    table.Add({pair.first, pair.second, FormatSigned(pair.interaction),
               FormatCount(pair.rows_first), FormatCount(pair.rows_second)});
  }
  return {.id = "interactions",
          .title = "Largest interactions",
          .reading = absl::StrCat(Whose(data),
                                  "What a pair of features of different fields adds to the score "
                                  "beyond their weights; among the ",
                                  FormatCount(data.interaction_features),
                                  " features that most of these rows have."),
          .drawing = BarChart("Largest interactions", bars, "Adds to the score", kWideLabelBytes),
          .table = table.Finish()};
}

}  // namespace fmserve::tools
