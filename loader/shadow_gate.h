// The gate that only live traffic can be asked for: whether a new version predicts about what the
// serving one predicts for recent requests. Pure functions.
#ifndef FMSERVE_LOADER_SHADOW_GATE_H_
#define FMSERVE_LOADER_SHADOW_GATE_H_

#include <cstdint>

#include "loader/gate_report.h"
#include "loader/score_comparison.h"

namespace fmserve::loader {

// The defaults are measured: docs/decisions/0055-live-gates.md.
struct ShadowGateOptions {
  bool enabled = true;
  uint32_t min_requests = 200;            // fewer tell nothing
  bool hold_on_too_few_requests = false;  // else they pass, and the report says so
  double max_mean_ratio = 1.5;            // of the mean predictions, either way; of probabilities
  double max_shift = 0.5;                 // Comparison::shift, either way
  double max_psi = 2.0;
  double max_unknown_increase = 0.2;  // of the share of unknown features of any field
  double max_known_lost = 0.6;        // share of what the serving version knows of any field
  double min_correlation = 0.4;
  double min_top1_agreement = 0.0;
  double min_kendall_tau = 0.3;
  double max_failed_share = 0.01;  // of requests that only the serving version can answer
};

// The report but for versions, time and duration.
GateReport JudgeComparison(const ShadowGateOptions& options, const Comparison& comparison);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_SHADOW_GATE_H_
