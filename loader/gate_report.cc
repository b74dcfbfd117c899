#include "loader/gate_report.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace fmserve::loader {

void AddMeasure(Measure measure, GateReport& report) {
  const bool above = measure.at_most && measure.value > *measure.at_most;
  const bool below = measure.at_least && measure.value < *measure.at_least;
  measure.passed = !above && !below;
  if (!measure.passed) {
    absl::StrAppend(&report.detail, report.detail.empty() ? "" : "; ", measure.name, " is ",
                    measure.value, ", ", above ? "at most " : "at least ",
                    above ? *measure.at_most : *measure.at_least, " is allowed");
  }
  report.measures.push_back(std::move(measure));
}

}  // namespace fmserve::loader
