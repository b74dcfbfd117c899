// How a new version compared with the one that serves on recent requests, measure by measure.
#ifndef FMSERVE_LOADER_GATE_REPORT_H_
#define FMSERVE_LOADER_GATE_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fmserve::loader {

// One figure. All numbers are finite.
struct Measure {
  std::string name{};               // "mean_ratio", "psi", "unknown.user_id" …
  std::optional<double> serving{};  // of the version that serves, where each has one
  std::optional<double> candidate{};
  double value = 0.0;                // what is held against the limits
  std::optional<double> at_least{};  // the limits; none: for information
  std::optional<double> at_most{};
  bool passed = true;

  bool operator==(const Measure&) const = default;
};

struct GateReport {
  enum class Verdict : uint8_t { kPassed, kHeld, kTooFewRequests };

  uint64_t version = 0;  // that was judged; 0: none was
  uint64_t serving_version = 0;
  Verdict verdict = Verdict::kPassed;
  std::string detail{};  // one sentence for an operator: what failed, or why it was not judged
  uint64_t requests_count = 0;
  uint64_t failed_requests_count = 0;
  uint64_t candidates_count = 0;
  uint64_t compared_unix_us = 0;
  double seconds = 0.0;  // that the comparison took
  std::vector<Measure> measures{};

  bool operator==(const GateReport&) const = default;
};

// Holds the measure against its limits and appends it; what fails is appended to `detail`.
void AddMeasure(Measure measure, GateReport& report);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_GATE_REPORT_H_
