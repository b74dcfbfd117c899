// What the operator commands print.
#ifndef FMSERVE_TOOLS_OPERATOR_REPORT_H_
#define FMSERVE_TOOLS_OPERATOR_REPORT_H_

#include <chrono>
#include <string>
#include <vector>

#include "fmserve/v1/operator.pb.h"
#include "tools/json_output.h"

namespace fmserve::tools {

// {"name", "default", "serving_version", "previous_version", "pinned_version", "state",
// "loading_version", "last_error", "serving_since", "snapshot_bytes", "huge_page_bytes", "swaps",
// "held_version",
// "catalogue": {"serving_version", "previous_version", "loading_version", "published", "items",
// "bytes", "last_error"}}: versions are 0 and times null where there is none; times are RFC 3339.
Json ModelJson(const fmserve::v1::Model& model);

// {"version", "state", "reason", "size_bytes", "published", "sha256"}
Json VersionJson(const fmserve::v1::Version& version);

// Tables with ages as of `now`; catalogues, and then what last went wrong, stand below, in a line
// per model. `heading` is that of the versions.
std::string ModelsText(const std::vector<fmserve::v1::Model>& models,
                       std::chrono::system_clock::time_point now);
std::string VersionsText(const std::vector<fmserve::v1::Version>& versions,
                         std::chrono::system_clock::time_point now,
                         const std::string& heading = "version");

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_OPERATOR_REPORT_H_
