#include "tools/json_output.h"

#include <iostream>
#include <optional>

namespace fmserve::tools {
namespace {

Json OrNull(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

}  // namespace

void PrintJson(const Json& object) {
  std::cout << object.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
}

Json ToJson(const trainer::Metrics& metrics) {
  return {{"rows", metrics.rows},
          {"logloss", OrNull(metrics.logloss)},
          {"auc", OrNull(metrics.auc)},
          {"normalized_entropy", OrNull(metrics.normalized_entropy)},
          {"calibration", OrNull(metrics.calibration)},
          {"rmse", OrNull(metrics.rmse)}};
}

}  // namespace fmserve::tools
