// What `fm gate-report` prints.
#ifndef FMSERVE_TOOLS_GATE_REPORT_TEXT_H_
#define FMSERVE_TOOLS_GATE_REPORT_TEXT_H_

#include <chrono>
#include <string>

#include "fmserve/v1/operator.pb.h"
#include "tools/json_output.h"

namespace fmserve::tools {

// {"version", "serving_version", "verdict", "detail", "requests", "failed_requests", "candidates",
// "compared", "seconds", "measures": [{"name", "serving", "candidate", "value", "at_least",
// "at_most", "passed"}]}: null where a measure has none; `compared` is RFC 3339.
Json GateReportJson(const fmserve::v1::GateReport& report);

// A line of what was compared and a table of the measures, with the limits and a verdict each.
std::string GateReportText(const fmserve::v1::GateReport& report,
                           std::chrono::system_clock::time_point now);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_GATE_REPORT_TEXT_H_
