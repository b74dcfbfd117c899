// How good predictions are.
#ifndef FMSERVE_TRAINER_METRICS_H_
#define FMSERVE_TRAINER_METRICS_H_

#include <cstdint>
#include <optional>
#include <span>

#include "model/types.h"

namespace fmserve::trainer {

// A metric is absent where it is not defined: the first three for regression, AUC and normalised
// entropy when all labels are equal or a prediction is NaN, calibration when the labels' mean is 0,
// all but rows when there is no row.
struct Metrics {
  uint64_t rows = 0;
  std::optional<double> logloss;             // mean of -ln p(label), in nats
  std::optional<double> auc;                 // P(positive above negative), ties count half
  std::optional<double> normalized_entropy;  // logloss over that of always predicting the labels'
                                             // mean (He et al. 2014)
  std::optional<double> calibration;         // mean predicted over mean observed; 1 is best
  std::optional<double> rmse;  // root mean squared error, of probabilities for a binary task
};

// predictions.size() == labels.size(). Each row counts as much as its weight, which is 0 or more;
// all alike when `weights` is empty, else weights.size() == labels.size(). `rows` counts rows,
// whatever their weights; where the weights' sum is 0 no metric is defined. Binary: predictions are
// probabilities; in the logloss ones below 1e-15 count as 1e-15, and a float of 1 as 1 - 2^-25,
// from which it may have been rounded. Labels are 0 or 1. O(n log n) for the AUC, which is exact.
Metrics ComputeMetrics(model::Task task, std::span<const float> predictions,
                       std::span<const float> labels, std::span<const float> weights = {});

// The figure that training lowers: logloss for a binary task, RMSE for regression; 0 when there is
// no row.
double Loss(model::Task task, const Metrics& metrics);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_METRICS_H_
