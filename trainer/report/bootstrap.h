// How good predictions are, and how sure that is: measures with intervals by the bootstrap.
#ifndef FMSERVE_TRAINER_REPORT_BOOTSTRAP_H_
#define FMSERVE_TRAINER_REPORT_BOOTSTRAP_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "model/types.h"
#include "trainer/report/scored_sample.h"

namespace fmserve::trainer {

enum class Measure : uint8_t {
  kLogloss,
  kNormalizedEntropy,
  kAuc,
  kCalibration,
  kRmse,
  kMeanAbsoluteError
};
inline constexpr size_t kMeasuresCount = 6;

// "logloss", "normalized_entropy", "auc", "calibration", "rmse", "mae".
std::string_view Name(Measure measure);

// By Measure; nothing where one is not defined (metrics.h).
using MeasureValues = std::array<std::optional<double>, kMeasuresCount>;

// Computes all measures of the same rows again and again, each row counted so many times. Keeps the
// rows by rank, 20 bytes each, as walking over columns in that order would be a cache miss per
// value. Immutable; safe from any thread.
class MeasureComputer {
 public:
  // Predictions are finite. `order` is OrderByPrediction(view), or a part of it.
  MeasureComputer(model::Task task, const ScoredView& view, std::span<const uint32_t> order);

  // Row i counts multiplicities[i] times; all once when it is empty: ComputeMetrics, and the mean
  // absolute error. O(rows).
  MeasureValues Compute(std::span<const uint8_t> multiplicities) const;

 private:
  struct RankedRow {
    float prediction;
    float label;
    float weight;
    float logloss;  // binary
    uint32_t row;
  };

  model::Task task_;
  std::vector<RankedRow> rows_;
};

struct Interval {
  double low = 0.0;
  double high = 0.0;
};

struct Estimate {
  std::optional<double> value;
  std::optional<Interval> interval;  // 95 %
};
using Estimates = std::array<Estimate, kMeasuresCount>;

struct BootstrapResult {
  Estimates first;
  Estimates second;       // nothing in it without a second model
  Estimates differences;  // second - first
};

// Percentile intervals from `resamples` >= 2 resamples of the rows (Efron 1979), in which each row
// counts a number of times that is drawn from the Poisson distribution with mean 1 (Hanley and
// MacGibbon 2006), the same for both models, so that differences are paired. Rows count as
// independent of each other. O(resamples * rows), a byte of memory per row. `second` may be null;
// both have the same rows.
BootstrapResult Bootstrap(const MeasureComputer& first, const MeasureComputer* second, size_t rows,
                          size_t resamples, uint64_t seed);

// The 2.5 % and 97.5 % quantiles, interpolated between the values around them; nothing of fewer
// than two.
std::optional<Interval> PercentileInterval(std::vector<double> values);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_REPORT_BOOTSTRAP_H_
