#include "trainer/report/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

namespace fmserve::trainer {
namespace {

double LoglossOf(float prediction, float label) {
  constexpr double kLowest = 1e-15;
  constexpr double kHighest = 1.0 - 0x1p-25;  // as ComputeMetrics
  const double p = std::clamp(double{prediction}, kLowest, kHighest);
  return -(label > 0.5F ? std::log(p) : std::log1p(-p));
}

// Draws from the Poisson distribution with mean 1, by 16 random bits each: probabilities are off by
// less than 2^-16, and nothing above 8 is drawn.
class PoissonDraws {
 public:
  explicit PoissonDraws(uint64_t seed) : random_(seed) {
    double probability = std::exp(-1.0);
    double cumulative = 0.0;
    uint8_t count = 0;
    for (size_t bits = 0; bits < counts_.size(); ++bits) {
      while (count < 8 && static_cast<double>(bits) >= (cumulative + probability) * 65536.0) {
        cumulative += probability;
        ++count;
        probability /= count;
      }
      counts_[bits] = count;
    }
  }

  void Fill(std::span<uint8_t> draws) {
    uint64_t bits = 0;
    for (size_t i = 0; i < draws.size(); ++i) {
      if (i % 4 == 0) bits = random_();
      draws[i] = counts_[bits & 0xffff];
      bits >>= 16;
    }
  }

 private:
  std::mt19937_64 random_;
  std::vector<uint8_t> counts_ = std::vector<uint8_t>(65536);
};

struct ResampleSums {
  double total = 0.0;
  double predicted = 0.0;
  double observed = 0.0;
  double squared_error = 0.0;
  double absolute_error = 0.0;
  double loss = 0.0;
  double pairs = 0.0;      // of a positive above a negative, ties half
  double negatives = 0.0;  // so far, then all
};

// The values of one measure in all resamples that define it.
using ResampledValues = std::array<std::vector<double>, kMeasuresCount>;

void Append(const MeasureValues& values, ResampledValues& all) {
  for (size_t m = 0; m < kMeasuresCount; ++m) {
    if (values[m]) all[m].push_back(*values[m]);
  }
}

MeasureValues DifferenceOf(const MeasureValues& first, const MeasureValues& second) {
  MeasureValues difference;
  for (size_t m = 0; m < kMeasuresCount; ++m) {
    if (first[m] && second[m]) difference[m] = *second[m] - *first[m];
  }
  return difference;
}

Estimates EstimatesOf(const MeasureValues& values, ResampledValues& resampled) {
  Estimates estimates;
  for (size_t m = 0; m < kMeasuresCount; ++m) {
    estimates[m].value = values[m];
    if (values[m]) estimates[m].interval = PercentileInterval(std::move(resampled[m]));
  }
  return estimates;
}

}  // namespace

std::string_view Name(Measure measure) {
  switch (measure) {
    case Measure::kLogloss:
      return "logloss";
    case Measure::kNormalizedEntropy:
      return "normalized_entropy";
    case Measure::kAuc:
      return "auc";
    case Measure::kCalibration:
      return "calibration";
    case Measure::kRmse:
      return "rmse";
    case Measure::kMeanAbsoluteError:
      return "mae";
  }
  return "";
}

MeasureComputer::MeasureComputer(model::Task task, const ScoredView& view,
                                 std::span<const uint32_t> order)
    : task_(task) {
  const bool binary = task == model::Task::kBinary;
  rows_.reserve(order.size());
  for (const uint32_t row : order) {
    const float prediction = view.predictions[row];
    const float label = view.labels[row];
    const double logloss = binary ? LoglossOf(prediction, label) : 0.0;
    rows_.push_back({prediction, label, static_cast<float>(view.weight(row)),
                     static_cast<float>(logloss), row});
  }
}

MeasureValues MeasureComputer::Compute(std::span<const uint8_t> multiplicities) const {
  const bool binary = task_ == model::Task::kBinary;
  ResampleSums sums;
  for (size_t begin = 0; begin < rows_.size();) {
    const float prediction = rows_[begin].prediction;
    double positives_here = 0.0;
    double negatives_here = 0.0;
    size_t i = begin;
    for (; i < rows_.size() && rows_[i].prediction == prediction; ++i) {
      const RankedRow& row = rows_[i];
      const double times =
          multiplicities.empty() ? 1.0 : static_cast<double>(multiplicities[row.row]);
      const double weight = row.weight * times;
      const double label = row.label;
      const double error = label - prediction;
      sums.total += weight;
      sums.predicted += weight * prediction;
      sums.observed += weight * label;
      sums.squared_error += weight * error * error;
      sums.absolute_error += weight * std::abs(error);
      sums.loss += weight * row.logloss;
      positives_here += label > 0.5 ? weight : 0.0;
      negatives_here += label > 0.5 ? 0.0 : weight;
    }
    sums.pairs += positives_here * (sums.negatives + 0.5 * negatives_here);
    sums.negatives += negatives_here;
    begin = i;
  }

  MeasureValues values;
  const auto set = [&values](Measure measure, double value) {
    values[static_cast<size_t>(measure)] = value;
  };
  if (sums.total <= 0.0) return values;
  set(Measure::kRmse, std::sqrt(sums.squared_error / sums.total));
  set(Measure::kMeanAbsoluteError, sums.absolute_error / sums.total);
  if (sums.observed != 0.0) set(Measure::kCalibration, sums.predicted / sums.observed);
  if (!binary) return values;
  const double logloss = sums.loss / sums.total;
  set(Measure::kLogloss, logloss);
  if (sums.observed <= 0.0 || sums.negatives <= 0.0) return values;
  const double p = sums.observed / sums.total;
  set(Measure::kAuc, sums.pairs / (sums.observed * sums.negatives));
  set(Measure::kNormalizedEntropy, logloss / (-p * std::log(p) - (1.0 - p) * std::log1p(-p)));
  return values;
}

BootstrapResult Bootstrap(const MeasureComputer& first, const MeasureComputer* second, size_t rows,
                          size_t resamples, uint64_t seed) {
  PoissonDraws draws(seed);
  std::vector<uint8_t> multiplicities(rows);
  ResampledValues firsts;
  ResampledValues seconds;
  ResampledValues differences;
  for (size_t i = 0; i < resamples; ++i) {
    draws.Fill(multiplicities);
    const MeasureValues of_first = first.Compute(multiplicities);
    Append(of_first, firsts);
    if (second == nullptr) continue;
    const MeasureValues of_second = second->Compute(multiplicities);
    Append(of_second, seconds);
    Append(DifferenceOf(of_first, of_second), differences);
  }
  BootstrapResult result;
  const MeasureValues of_first = first.Compute({});
  result.first = EstimatesOf(of_first, firsts);
  if (second == nullptr) return result;
  const MeasureValues of_second = second->Compute({});
  result.second = EstimatesOf(of_second, seconds);
  result.differences = EstimatesOf(DifferenceOf(of_first, of_second), differences);
  return result;
}

std::optional<Interval> PercentileInterval(std::vector<double> values) {
  if (values.size() < 2) return std::nullopt;
  std::sort(values.begin(), values.end());
  const auto quantile = [&values](double share) {
    const double position = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<size_t>(position);
    const size_t above = std::min(below + 1, values.size() - 1);
    return std::lerp(values[below], values[above], position - std::floor(position));
  };
  return Interval{quantile(0.025), quantile(0.975)};
}

}  // namespace fmserve::trainer
