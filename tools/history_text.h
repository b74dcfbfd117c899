// What `fm history` prints.
#ifndef FMSERVE_TOOLS_HISTORY_TEXT_H_
#define FMSERVE_TOOLS_HISTORY_TEXT_H_

#include <string>

#include "fmserve/v1/operator.pb.h"
#include "tools/json_output.h"

namespace fmserve::tools {

// {"version", "artifact", "published", "fetched", "gated", "served", "ended", "events": [{"step",
// "time", "who", "why"}]}: the time of each of these steps is that of the last one, as RFC 3339, or
// null; "ended" is null while it serves again.
Json VersionHistoryJson(const fmserve::v1::VersionHistory& history);

// A table with a line per version: when it took each step, and the last thing that happened to it.
// Times are UTC.
std::string HistoryText(const fmserve::v1::ListHistoryResponse& history);

// A table with a line per event, for each version.
std::string EventsText(const fmserve::v1::ListHistoryResponse& history);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_HISTORY_TEXT_H_
