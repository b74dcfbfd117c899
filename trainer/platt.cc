#include "trainer/platt.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"

namespace fmserve::trainer {
namespace {

// A line through standardised scores: u = slope z + level.
struct Line {
  double slope = 0.0;
  double level = 0.0;
};

// Loss, gradient and second derivatives at a line.
struct Curve {
  double loss = 0.0;
  double by_slope = 0.0;
  double by_level = 0.0;
  double slope_slope = 0.0;
  double slope_level = 0.0;
  double level_level = 0.0;
};

struct ScoredRows {
  std::span<const float> scores;
  std::span<const float> labels;
  std::span<const float> weights;
  double positives = 0.0;  // by weight, as the negatives
  double negatives = 0.0;
  double mean = 0.0;  // of the scores
  double stddev = 0.0;

  size_t size() const { return scores.size(); }
  double weight(size_t row) const { return weights.empty() ? 1.0 : double{weights[row]}; }
  double total() const { return positives + negatives; }
};

absl::StatusOr<ScoredRows> Survey(std::span<const float> scores, std::span<const float> labels,
                                  std::span<const float> weights) {
  ScoredRows rows{.scores = scores, .labels = labels, .weights = weights};
  double sum = 0.0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!std::isfinite(scores[i])) {
      return absl::InvalidArgumentError(
          absl::StrCat("the score of row ", i + 1, " is not finite: ", scores[i]));
    }
    (labels[i] > 0.5F ? rows.positives : rows.negatives) += rows.weight(i);
    sum += rows.weight(i) * scores[i];
  }
  if (rows.positives <= 0.0 || rows.negatives <= 0.0) {
    return absl::InvalidArgumentError(
        "a calibration needs rows of both labels, and these count rows of one only");
  }
  rows.mean = sum / rows.total();
  double squares = 0.0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const double difference = scores[i] - rows.mean;
    squares += rows.weight(i) * difference * difference;
  }
  rows.stddev = std::sqrt(squares / rows.total());
  // Below it is what rounding leaves of equal scores.
  if (rows.stddev <= 1e-7 * std::max(1.0, std::abs(rows.mean))) {
    return absl::InvalidArgumentError("all rows have the same score: no line goes through them");
  }
  return rows;
}

Curve CurveAt(const ScoredRows& rows, const Line& line) {
  const double high = (rows.positives + 1.0) / (rows.positives + 2.0);
  const double low = 1.0 / (rows.negatives + 2.0);
  Curve curve;
  for (size_t i = 0; i < rows.size(); ++i) {
    const double z = (rows.scores[i] - rows.mean) / rows.stddev;
    const double u = line.slope * z + line.level;
    const double target = rows.labels[i] > 0.5F ? high : low;
    const double e = std::exp(-std::abs(u));
    const double p = (u >= 0.0 ? 1.0 : e) / (1.0 + e);
    const double weight = rows.weight(i) / rows.total();
    curve.loss += weight * (std::max(u, 0.0) + std::log1p(e) - target * u);
    const double slope = weight * (p - target);
    curve.by_slope += slope * z;
    curve.by_level += slope;
    const double bend = weight * p * (1.0 - p);
    curve.slope_slope += bend * z * z;
    curve.slope_level += bend * z;
    curve.level_level += bend;
  }
  return curve;
}

// Newton's step, halved until the loss is less: the loss is convex, so this ends at its minimum.
Line Minimize(const ScoredRows& rows) {
  constexpr int kMaxSteps = 100;
  constexpr int kMaxHalvings = 40;
  constexpr double kSmallSlope = 1e-12;  // of the loss per row, at the minimum
  constexpr double kRidge = 1e-12;       // keeps the equations solvable where the loss is flat
  Line line{.slope = 1.0, .level = std::log(rows.positives / rows.negatives)};
  Curve curve = CurveAt(rows, line);
  for (int step = 0; step < kMaxSteps; ++step) {
    if (std::max(std::abs(curve.by_slope), std::abs(curve.by_level)) < kSmallSlope) break;
    const double a = curve.slope_slope + kRidge;
    const double b = curve.slope_level;
    const double c = curve.level_level + kRidge;
    const double determinant = a * c - b * b;
    const Line down{.slope = (c * curve.by_slope - b * curve.by_level) / determinant,
                    .level = (a * curve.by_level - b * curve.by_slope) / determinant};
    double length = 1.0;
    Line next;
    Curve there;
    int halvings = 0;
    for (; halvings < kMaxHalvings; ++halvings) {
      next = {.slope = line.slope - length * down.slope, .level = line.level - length * down.level};
      there = CurveAt(rows, next);
      if (there.loss < curve.loss) break;
      length *= 0.5;
    }
    if (halvings == kMaxHalvings) break;  // as low as doubles go
    line = next;
    curve = there;
  }
  return line;
}

}  // namespace

absl::StatusOr<model::Calibration> FitPlatt(std::span<const float> scores,
                                            std::span<const float> labels,
                                            std::span<const float> weights) {
  const absl::StatusOr<ScoredRows> rows = Survey(scores, labels, weights);
  if (!rows.ok()) return rows.status();
  const Line line = Minimize(*rows);
  const double scale = line.slope / rows->stddev;
  if (scale <= 0.0) {
    return absl::FailedPreconditionError(
        absl::StrCat("the higher the score, the fewer the clicks (a slope of ", scale,
                     "): the model does not rank these rows, and no calibration can mend that"));
  }
  return model::Calibration{.kind = model::CalibrationKind::kPlatt,
                            .scale = scale,
                            .offset = line.level - scale * rows->mean};
}

}  // namespace fmserve::trainer
