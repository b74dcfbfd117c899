// The figures of a report: what each shows, how to read it, its drawing and its numbers.
#ifndef FMSERVE_TOOLS_REPORT_FIGURES_H_
#define FMSERVE_TOOLS_REPORT_FIGURES_H_

#include <string>
#include <utility>
#include <vector>

#include "tools/report/report_data.h"

namespace fmserve::tools {

struct Figure {
  std::string id;       // of the element
  std::string title;    // plain text
  std::string reading;  // one or two sentences, plain text
  std::string drawing;  // markup
  std::string table;    // markup: the numbers of the drawing
  // What the colours mean, plain text: css class and name.
  std::vector<std::pair<std::string, std::string>> legend{};
};

// <figure> with heading, drawing and, folded, the table.
std::string FigureHtml(const Figure& figure);

// Each returns a figure of what is there; callers look whether it is.
Figure RateByBucketFigure(const ReportData& data);     // buckets
Figure CalibrationFigure(const ReportData& data);      // buckets
Figure ScoreFigure(const ReportData& data);            // first.scores
Figure RocFigure(const ReportData& data);              // first.ranking
Figure PrecisionRecallFigure(const ReportData& data);  // first.ranking
Figure ResidualFigure(const ReportData& data);         // first.residuals
Figure LearningFigure(const ReportData& data);         // first.curve
Figure ImportanceFigure(const ReportData& data);       // importance
Figure WeightsFigure(const ReportData& data);          // weights
Figure InteractionsFigure(const ReportData& data);     // interactions

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_REPORT_FIGURES_H_
