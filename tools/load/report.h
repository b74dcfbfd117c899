// What a load run says: to people, to scripts, and request by request.
#ifndef FMSERVE_TOOLS_LOAD_REPORT_H_
#define FMSERVE_TOOLS_LOAD_REPORT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/json_output.h"
#include "tools/load/generator.h"
#include "tools/load/verify.h"

namespace fmserve::tools {

// {"sent", "ok", "partial", "errors": {code: n}, "versions": {version: n}, "seconds", "qps",
// "p50_us", "p90_us", "p99_us", "p999_us", "max_us"}, and with `verified` {"verified", "wrong"}.
// qps counts ok responses.
Json LoadReportJson(const LoadResult& result, const std::optional<VerifyResult>& verified);

// The same for people.
std::string LoadReportText(const LoadResult& result, const std::optional<VerifyResult>& verified);

// One line per request, tab-separated with header, in the order of completion:
// intended_unix_us latency_us outcome version scored
absl::Status WriteRecords(const LoadResult& result, const std::string& path);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_LOAD_REPORT_H_
