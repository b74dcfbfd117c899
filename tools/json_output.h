// The one object that --json prints.
#ifndef FMSERVE_TOOLS_JSON_OUTPUT_H_
#define FMSERVE_TOOLS_JSON_OUTPUT_H_

#include <nlohmann/json.hpp>

#include "trainer/metrics.h"

namespace fmserve::tools {

using Json = nlohmann::ordered_json;

// On standard output, on one line. What is not UTF-8 is replaced.
void PrintJson(const Json& object);

// {"rows", "logloss", "auc", "normalized_entropy", "calibration", "rmse"}; null where a metric is
// not defined.
Json ToJson(const trainer::Metrics& metrics);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_JSON_OUTPUT_H_
