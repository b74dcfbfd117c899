#include "loader/shadow_gate.h"

#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fmserve::loader {
namespace {

using Verdict = GateReport::Verdict;

constexpr uint64_t kMinKnownFeatures = 50;  // of a field, without which its losses are chance

void JudgePredictions(const ShadowGateOptions& options, const Comparison& comparison,
                      GateReport& report) {
  const double ratio = comparison.candidate_mean / comparison.serving_mean;
  if (comparison.of_probabilities && std::isfinite(ratio)) {
    AddMeasure({.name = "mean_ratio",
                .serving = comparison.serving_mean,
                .candidate = comparison.candidate_mean,
                .value = ratio,
                .at_least = 1.0 / options.max_mean_ratio,
                .at_most = options.max_mean_ratio},
               report);
  }
  AddMeasure({.name = comparison.of_probabilities ? "logit_shift" : "shift",
              .value = comparison.shift,
              .at_least = -options.max_shift,
              .at_most = options.max_shift},
             report);
  if (comparison.psi)
    AddMeasure({.name = "psi", .value = *comparison.psi, .at_most = options.max_psi}, report);
  if (comparison.correlation) {
    AddMeasure({.name = "correlation",
                .value = *comparison.correlation,
                .at_least = options.min_correlation},
               report);
  }
}

void JudgeRanks(const ShadowGateOptions& options, const Comparison& comparison,
                GateReport& report) {
  if (comparison.ranked_requests_count == 0) return;
  AddMeasure({.name = "top1_agreement",
              .value = comparison.top1_agreement,
              .at_least = options.min_top1_agreement},
             report);
  AddMeasure(
      {.name = "kendall_tau", .value = comparison.kendall_tau, .at_least = options.min_kendall_tau},
      report);
}

// A field of which little is known may be lost without many more features being unknown.
void JudgeLost(const ShadowGateOptions& options, const Comparison& comparison, GateReport& report) {
  const UnknownShare* worst = nullptr;
  double most_lost = 0.0;
  for (const UnknownShare& field : comparison.unknown) {
    if (field.serving_known_count < kMinKnownFeatures) continue;
    const double lost = 1.0 - (1.0 - field.candidate) / (1.0 - field.serving);
    if (worst != nullptr && lost <= most_lost) continue;
    worst = &field;
    most_lost = lost;
  }
  if (worst == nullptr) return;
  AddMeasure({.name = absl::StrCat("known_lost.", worst->field),
              .value = most_lost,
              .at_most = options.max_known_lost},
             report);
}

}  // namespace

GateReport JudgeComparison(const ShadowGateOptions& options, const Comparison& comparison) {
  GateReport report{.requests_count = comparison.requests_count,
                    .failed_requests_count = comparison.failed_requests_count,
                    .candidates_count = comparison.candidates_count};
  const uint64_t asked = comparison.requests_count + comparison.failed_requests_count;
  if (asked < options.min_requests) {
    report.verdict = Verdict::kTooFewRequests;
    report.detail = absl::StrCat(
        asked, " recent requests are too few to judge it by; ", options.min_requests,
        " are wanted: it was ",
        options.hold_on_too_few_requests ? "held until there are more" : "let through");
    return report;
  }
  AddMeasure({.name = "failed_requests",
              .value = asked == 0 ? 0.0
                                  : static_cast<double>(comparison.failed_requests_count) /
                                        static_cast<double>(asked),
              .at_most = options.max_failed_share},
             report);
  AddMeasure({.name = "non_finite",
              .value = static_cast<double>(comparison.non_finite_count),
              .at_most = 0.0},
             report);
  if (comparison.candidates_count > 0) {
    JudgePredictions(options, comparison, report);
    JudgeRanks(options, comparison, report);
  }
  for (const UnknownShare& unknown : comparison.unknown) {
    AddMeasure({.name = absl::StrCat("unknown.", unknown.field),
                .serving = unknown.serving,
                .candidate = unknown.candidate,
                .value = unknown.candidate - unknown.serving,
                .at_most = options.max_unknown_increase},
               report);
  }
  JudgeLost(options, comparison, report);
  report.verdict = report.detail.empty() ? Verdict::kPassed : Verdict::kHeld;
  return report;
}

}  // namespace fmserve::loader
