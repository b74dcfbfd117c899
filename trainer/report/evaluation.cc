#include "trainer/report/evaluation.h"

namespace fmserve::trainer {
namespace {

ModelEvaluation EvaluateModel(model::Task task, const ScoredView& view,
                              std::span<const uint32_t> order) {
  ModelEvaluation evaluation;
  evaluation.buckets = ComputeBuckets(task, view, order, kReportBuckets);
  evaluation.bucket_correlation = RankCorrelation(evaluation.buckets);
  evaluation.row_correlation = RowCorrelation(view, order);
  if (task == model::Task::kBinary) {
    evaluation.ranking = ComputeRankingCurves(view, order, kReportCurvePoints);
    evaluation.scores = ComputeScoreHistograms(view, order, kReportHistogramBuckets);
  } else {
    evaluation.residuals = ComputeResidualHistogram(view, kReportHistogramBuckets);
  }
  return evaluation;
}

}  // namespace

Evaluation Evaluate(model::Task task, const ScoredSample& sample, bool with_second,
                    std::span<const std::string> groups, uint64_t seed) {
  Evaluation evaluation;
  const std::vector<uint32_t> order = OrderByPrediction(sample.first());
  evaluation.first = EvaluateModel(task, sample.first(), order);
  evaluation.groups = SummarizeGroups(task, sample, order, groups, kReportGroupBuckets);
  const MeasureComputer first(task, sample.first(), order);
  if (!with_second) {
    evaluation.first.measures =
        Bootstrap(first, nullptr, sample.size(), kReportResamples, seed).first;
    return evaluation;
  }
  const std::vector<uint32_t> second_order = OrderByPrediction(sample.second());
  evaluation.second = EvaluateModel(task, sample.second(), second_order);
  const MeasureComputer second(task, sample.second(), second_order);
  const BootstrapResult result = Bootstrap(first, &second, sample.size(), kReportResamples, seed);
  evaluation.first.measures = result.first;
  evaluation.second->measures = result.second;
  evaluation.differences = result.differences;
  return evaluation;
}

}  // namespace fmserve::trainer
