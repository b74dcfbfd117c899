// A report as JSON, for the state of a cache. Internal to loader/.
#ifndef FMSERVE_LOADER_GATE_REPORT_JSON_H_
#define FMSERVE_LOADER_GATE_REPORT_JSON_H_

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "loader/gate_report.h"

namespace fmserve::loader {

nlohmann::ordered_json GateReportToJson(const GateReport& report);

// InvalidArgument names the key.
absl::StatusOr<GateReport> GateReportFromJson(const nlohmann::json& json);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_GATE_REPORT_JSON_H_
