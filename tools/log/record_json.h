// A record of a prediction log as people and scripts read it.
#ifndef FMSERVE_TOOLS_LOG_RECORD_JSON_H_
#define FMSERVE_TOOLS_LOG_RECORD_JSON_H_

#include <string>
#include <vector>

#include "fmserve/v1/log.pb.h"
#include "tools/json_output.h"

namespace fmserve::tools {

// {"time", "call", "model", "version", "catalogue_version", "request_id", "context", "candidates",
// …}; docs/operators.md has all of it. `field_names` are those of the frame: features of the packed
// form whose field they lack have its number.
Json RecordJson(const v1::PredictionRecord& record, const std::vector<std::string>& field_names);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_LOG_RECORD_JSON_H_
