// All that a report shows of how a model does on labelled rows.
#ifndef FMSERVE_TRAINER_REPORT_EVALUATION_H_
#define FMSERVE_TRAINER_REPORT_EVALUATION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "trainer/report/bootstrap.h"
#include "trainer/report/curves.h"
#include "trainer/report/groups.h"
#include "trainer/report/scored_sample.h"

namespace fmserve::trainer {

// The bounds of a report: what it holds does not grow with the rows.
inline constexpr size_t kReportCurvePoints = 100;
inline constexpr size_t kReportBuckets = 20;
inline constexpr size_t kReportHistogramBuckets = 40;
inline constexpr size_t kReportGroupBuckets = 10;
inline constexpr size_t kReportResamples = 300;

struct ModelEvaluation {
  Estimates measures;
  std::vector<ScoreBucket> buckets;
  std::optional<double> bucket_correlation;  // Spearman, over the buckets
  std::optional<double> row_correlation;     // Pearson, over the rows
  std::optional<RankingCurves> ranking;      // binary, and both labels occur
  std::optional<ScoreHistograms> scores;     // binary
  std::optional<Histogram> residuals;        // regression
};

struct Evaluation {
  ModelEvaluation first;
  std::optional<ModelEvaluation> second;
  Estimates differences;  // second - first
  std::vector<GroupSummary> groups;
};

// `with_second`: the sample holds predictions of two models. `groups`: the values to tell apart.
Evaluation Evaluate(model::Task task, const ScoredSample& sample, bool with_second,
                    std::span<const std::string> groups, uint64_t seed);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_REPORT_EVALUATION_H_
