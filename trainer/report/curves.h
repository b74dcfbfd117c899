// The curves of an evaluation: each a bounded number of points, from any number of rows.
#ifndef FMSERVE_TRAINER_REPORT_CURVES_H_
#define FMSERVE_TRAINER_REPORT_CURVES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "model/types.h"
#include "trainer/report/scored_sample.h"

namespace fmserve::trainer {

struct CurvePoint {
  double x = 0.0;
  double y = 0.0;
  double threshold = 0.0;  // rows with at least this prediction count as positive
};

struct RankingCurves {
  std::vector<CurvePoint> roc;               // x: false positive rate, y: true positive rate
  std::vector<CurvePoint> precision_recall;  // x: recall, y: precision
  double average_precision = 0.0;  // sum of precision times the step in recall, from all thresholds
  double positive_share = 0.0;     // the precision of chance
};

// `order` is OrderByPrediction(view) and `max_points` at least 3. Nothing when there are no two
// classes of some weight. Both are thinned to at most max_points, about as far from each other. The
// ROC curve begins at (0, 0) and ends at (1, 1); that of precision begins where recall reaches 1 %,
// before which it is noise.
std::optional<RankingCurves> ComputeRankingCurves(const ScoredView& view,
                                                  std::span<const uint32_t> order,
                                                  size_t max_points);

// Rows with neighbouring predictions.
struct ScoreBucket {
  uint64_t rows = 0;
  double weight = 0.0;
  double low = 0.0;            // the smallest prediction
  double high = 0.0;           // the largest
  double predicted = 0.0;      // mean prediction
  double observed = 0.0;       // mean label: the click rate
  double observed_low = 0.0;   // 95 % interval of `observed`: Wilson (1927) for a binary task, the
  double observed_high = 0.0;  // normal one of a mean for regression
};

// At most `count` buckets of about equal weight, in ascending order. Rows with the same prediction
// are in the same bucket, so there are fewer buckets when there are few predictions. `order` names
// rows of the view, or some of them, by ascending prediction. Rows that weigh nothing are in no
// bucket. Intervals take (sum of w)^2 / sum of w^2 for the number of rows (Kish 1965).
std::vector<ScoreBucket> ComputeBuckets(model::Task task, const ScoredView& view,
                                        std::span<const uint32_t> order, size_t count);

// Spearman's rank correlation between predicted and observed of the buckets, ties with their mean
// rank; nothing for fewer than three buckets, or when one side is all ties.
std::optional<double> RankCorrelation(std::span<const ScoreBucket> buckets);

// Pearson's correlation between predictions and labels over the rows of `order`; nothing when one
// of them does not vary.
std::optional<double> RowCorrelation(const ScoredView& view, std::span<const uint32_t> order);

// Weights of rows by a value of theirs, in buckets of equal width.
struct Histogram {
  double low = 0.0;
  double high = 0.0;
  std::vector<double> weights;

  double width() const { return (high - low) / static_cast<double>(weights.size()); }
  double left(size_t bucket) const { return low + static_cast<double>(bucket) * width(); }
};

// The log-odds of the predictions of a binary task, apart by label. Both have the same buckets:
// from the 0.05 % to the 99.95 % quantile; what lies outside counts in the outermost. Each sums to
// 1, or is all 0 without rows.
struct ScoreHistograms {
  Histogram negatives;
  Histogram positives;
};
ScoreHistograms ComputeScoreHistograms(const ScoredView& view, std::span<const uint32_t> order,
                                       size_t count);

// The same of residuals, label - prediction; one histogram, as shares.
Histogram ComputeResidualHistogram(const ScoredView& view, size_t count);

// ln(p / (1 - p)); probabilities are cut to [1e-9, 1 - 1e-9].
double LogOdds(double probability);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_REPORT_CURVES_H_
