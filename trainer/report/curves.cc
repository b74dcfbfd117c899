#include "trainer/report/curves.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace fmserve::trainer {
namespace {

constexpr double kNormalQuantile = 1.959963984540054;  // of 97.5 %
constexpr double kTail = 0.0005;

// Calls visit(begin, end) for each run of equal predictions in order[0, n), from the highest down.
template <typename Visit>
void ForEachTieDown(const ScoredView& view, std::span<const uint32_t> order, Visit visit) {
  for (size_t end = order.size(); end > 0;) {
    size_t begin = end - 1;
    const float prediction = view.predictions[order[begin]];
    while (begin > 0 && view.predictions[order[begin - 1]] == prediction) --begin;
    visit(begin, end);
    end = begin;
  }
}

// Keeps points that are far enough from the last one kept, and the last one of all.
class PointThinner {
 public:
  // A point is `y_share` times its step in y further away.
  PointThinner(double distance, double y_share, std::vector<CurvePoint>& points)
      : distance_(distance), y_share_(y_share), points_(points) {}

  void Add(const CurvePoint& point) {
    last_ = point;
    if (points_.empty() || Distance(points_.back(), point) >= distance_) points_.push_back(point);
  }
  void Finish() {
    if (!points_.empty() && (points_.back().x != last_.x || points_.back().y != last_.y))
      points_.push_back(last_);
  }

 private:
  double Distance(const CurvePoint& a, const CurvePoint& b) const {
    return std::abs(b.x - a.x) + y_share_ * std::abs(b.y - a.y);
  }

  double distance_;
  double y_share_;
  std::vector<CurvePoint>& points_;
  CurvePoint last_;
};

struct BucketSums {
  uint64_t rows = 0;
  double weight = 0.0;
  double squared_weight = 0.0;
  double predicted = 0.0;
  double observed = 0.0;
  double observed_squares = 0.0;
  double low = 0.0;
  double high = 0.0;

  void Add(double row_weight, double prediction, double label) {
    if (rows == 0) low = prediction;
    high = prediction;
    ++rows;
    weight += row_weight;
    squared_weight += row_weight * row_weight;
    predicted += row_weight * prediction;
    observed += row_weight * label;
    observed_squares += row_weight * label * label;
  }
};

void SetWilsonInterval(double n, ScoreBucket& bucket) {
  const double z2 = kNormalQuantile * kNormalQuantile;
  const double p = bucket.observed;
  const double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
  const double half =
      kNormalQuantile * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n);
  bucket.observed_low = std::max(0.0, centre - half);
  bucket.observed_high = std::min(1.0, centre + half);
}

ScoreBucket Finish(model::Task task, const BucketSums& sums) {
  ScoreBucket bucket;
  bucket.rows = sums.rows;
  bucket.weight = sums.weight;
  bucket.low = sums.low;
  bucket.high = sums.high;
  bucket.predicted = sums.predicted / sums.weight;
  bucket.observed = sums.observed / sums.weight;
  const double n = sums.weight * sums.weight / sums.squared_weight;
  if (task == model::Task::kBinary) {
    SetWilsonInterval(n, bucket);
    return bucket;
  }
  const double variance =
      std::max(0.0, sums.observed_squares / sums.weight - bucket.observed * bucket.observed);
  const double half = kNormalQuantile * std::sqrt(variance / n);
  bucket.observed_low = bucket.observed - half;
  bucket.observed_high = bucket.observed + half;
  return bucket;
}

// Ranks from 1; equal values share the mean of their ranks.
std::vector<double> RanksOf(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double rank = (static_cast<double>(begin + end) + 1.0) / 2.0;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = rank;
    begin = end;
  }
  return ranks;
}

// Pearson's, of n pairs that get(i, x, y, w) tells.
template <typename Get>
std::optional<double> Pearson(size_t n, Get get) {
  double total = 0.0;
  double mean_x = 0.0;
  double mean_y = 0.0;
  double xx = 0.0;
  double yy = 0.0;
  double xy = 0.0;
  for (size_t i = 0; i < n; ++i) {
    const auto [x, y, w] = get(i);
    if (w <= 0.0) continue;
    total += w;
    const double dx = x - mean_x;
    const double dy = y - mean_y;
    mean_x += w / total * dx;
    mean_y += w / total * dy;
    xx += w * dx * (x - mean_x);
    yy += w * dy * (y - mean_y);
    xy += w * dx * (y - mean_y);
  }
  if (!(xx > 0.0) || !(yy > 0.0)) return std::nullopt;
  return std::clamp(xy / std::sqrt(xx * yy), -1.0, 1.0);
}

struct Weighted {
  double x = 0.0;
  double y = 0.0;
  double w = 1.0;
};

size_t BucketOf(double value, double low, double high, size_t count) {
  if (!(high > low)) return 0;
  const double position = (value - low) / (high - low) * static_cast<double>(count);
  return static_cast<size_t>(std::clamp(position, 0.0, static_cast<double>(count) - 1.0));
}

void DivideByTheSum(Histogram& histogram) {
  const double sum = std::accumulate(histogram.weights.begin(), histogram.weights.end(), 0.0);
  if (sum <= 0.0) return;
  for (double& weight : histogram.weights) weight /= sum;
}

// Makes room on both sides of a range that is a single value.
void Widen(double& low, double& high) {
  if (high > low) return;
  low -= 0.5;
  high += 0.5;
}

}  // namespace

std::optional<RankingCurves> ComputeRankingCurves(const ScoredView& view,
                                                  std::span<const uint32_t> order,
                                                  size_t max_points) {
  double positives = 0.0;
  double negatives = 0.0;
  for (const uint32_t row : order)
    (view.labels[row] > 0.5F ? positives : negatives) += view.weight(row);
  if (positives <= 0.0 || negatives <= 0.0) return std::nullopt;
  RankingCurves curves;
  curves.positive_share = positives / (positives + negatives);
  const auto steps = static_cast<double>(max_points - 2);
  PointThinner roc(2.0 / steps, 1.0, curves.roc);
  PointThinner precision(1.0 / steps, 0.0, curves.precision_recall);
  roc.Add({0.0, 0.0, order.empty() ? 0.0 : double{view.predictions[order.back()]}});
  double true_positives = 0.0;
  double false_positives = 0.0;
  ForEachTieDown(view, order, [&](size_t begin, size_t end) {
    const double recall_before = true_positives / positives;
    for (size_t i = begin; i < end; ++i) {
      (view.labels[order[i]] > 0.5F ? true_positives : false_positives) += view.weight(order[i]);
    }
    if (true_positives + false_positives <= 0.0) return;
    const double threshold = view.predictions[order[begin]];
    const double recall = true_positives / positives;
    const double share = true_positives / (true_positives + false_positives);
    curves.average_precision += (recall - recall_before) * share;
    roc.Add({false_positives / negatives, recall, threshold});
    // Before the first percent of the positives, precision is noise.
    if (recall >= 0.01) precision.Add({recall, share, threshold});
  });
  roc.Finish();
  precision.Finish();
  return curves;
}

std::vector<ScoreBucket> ComputeBuckets(model::Task task, const ScoredView& view,
                                        std::span<const uint32_t> order, size_t count) {
  double total = 0.0;
  for (const uint32_t row : order) total += view.weight(row);
  std::vector<ScoreBucket> buckets;
  if (total <= 0.0) return buckets;
  const double share = total / static_cast<double>(count);
  const double tolerance = 1e-9 * total;  // sums of weights are not exact
  BucketSums sums;
  double done = 0.0;
  double goal = share;
  for (size_t i = 0; i < order.size(); ++i) {
    const uint32_t row = order[i];
    const double weight = view.weight(row);
    if (weight > 0.0) sums.Add(weight, view.predictions[row], view.labels[row]);
    done += weight;
    const bool last = i + 1 == order.size();
    const bool tie = !last && view.predictions[order[i + 1]] == view.predictions[row];
    if (tie || (done < goal - tolerance && !last) || sums.rows == 0) continue;
    buckets.push_back(Finish(task, sums));
    sums = BucketSums();
    // A bucket that is larger than its share takes the places of the next ones.
    goal = share * (std::floor((done + tolerance) / share) + 1.0);
  }
  return buckets;
}

std::optional<double> RankCorrelation(std::span<const ScoreBucket> buckets) {
  if (buckets.size() < 3) return std::nullopt;
  std::vector<double> predicted;
  std::vector<double> observed;
  for (const ScoreBucket& bucket : buckets) {
    predicted.push_back(bucket.predicted);
    observed.push_back(bucket.observed);
  }
  const std::vector<double> x = RanksOf(predicted);
  const std::vector<double> y = RanksOf(observed);
  return Pearson(buckets.size(), [&](size_t i) { return Weighted{x[i], y[i], 1.0}; });
}

std::optional<double> RowCorrelation(const ScoredView& view, std::span<const uint32_t> order) {
  return Pearson(order.size(), [&](size_t i) {
    const uint32_t row = order[i];
    return Weighted{view.predictions[row], view.labels[row], view.weight(row)};
  });
}

double LogOdds(double probability) {
  const double p = std::clamp(probability, 1e-9, 1.0 - 1e-9);
  return std::log(p / (1.0 - p));
}

ScoreHistograms ComputeScoreHistograms(const ScoredView& view, std::span<const uint32_t> order,
                                       size_t count) {
  ScoreHistograms histograms;
  histograms.negatives.weights.assign(count, 0.0);
  histograms.positives.weights.assign(count, 0.0);
  double low = 0.0;
  double high = 0.0;
  if (!order.empty()) {
    const double last = static_cast<double>(order.size() - 1);
    low = LogOdds(view.predictions[order[static_cast<size_t>(kTail * last)]]);
    high = LogOdds(view.predictions[order[static_cast<size_t>(std::ceil((1.0 - kTail) * last))]]);
  }
  Widen(low, high);
  histograms.negatives.low = histograms.positives.low = low;
  histograms.negatives.high = histograms.positives.high = high;
  for (const uint32_t row : order) {
    Histogram& side = view.labels[row] > 0.5F ? histograms.positives : histograms.negatives;
    side.weights[BucketOf(LogOdds(view.predictions[row]), low, high, count)] += view.weight(row);
  }
  DivideByTheSum(histograms.negatives);
  DivideByTheSum(histograms.positives);
  return histograms;
}

Histogram ComputeResidualHistogram(const ScoredView& view, size_t count) {
  std::vector<float> residuals(view.size());
  for (size_t i = 0; i < view.size(); ++i) residuals[i] = view.labels[i] - view.predictions[i];
  Histogram histogram;
  histogram.weights.assign(count, 0.0);
  if (!residuals.empty()) {
    std::vector<float> sorted = residuals;
    std::sort(sorted.begin(), sorted.end());
    const double last = static_cast<double>(sorted.size() - 1);
    histogram.low = sorted[static_cast<size_t>(kTail * last)];
    histogram.high = sorted[static_cast<size_t>(std::ceil((1.0 - kTail) * last))];
  }
  Widen(histogram.low, histogram.high);
  for (size_t i = 0; i < residuals.size(); ++i) {
    histogram.weights[BucketOf(residuals[i], histogram.low, histogram.high, count)] +=
        view.weight(i);
  }
  DivideByTheSum(histogram);
  return histogram;
}

}  // namespace fmserve::trainer
