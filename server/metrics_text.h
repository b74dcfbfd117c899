// The metrics page: Prometheus text format, version 0.0.4.
#ifndef FMSERVE_SERVER_METRICS_TEXT_H_
#define FMSERVE_SERVER_METRICS_TEXT_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "loader/model_loader.h"
#include "server/metrics.h"
#include "server/prediction_log.h"
#include "server/refusals.h"

namespace fmserve::server {

// One model at the moment of a scrape.
struct ModelMetricsView {
  loader::ModelStatus status;
  RequestCounts predict;
  RequestCounts top_k;
  uint64_t recent_requests = 0;  // kept for the shadow gate
  uint64_t recent_request_bytes = 0;
  uint64_t recent_requests_dropped = 0;
  std::optional<PredictionLogCounts> prediction_log = std::nullopt;  // nothing: there is none
};

// The rest of the server at that moment.
struct ServerMetricsView {
  uint64_t unknown_model_requests = 0;
  bool draining = false;
  uint64_t concurrency_limit = 0;
  uint64_t in_flight = 0;
  RefusalCounts refusals = {};
};

// docs/operators.md lists the series.
std::string FormatMetrics(std::span<const ModelMetricsView> models, const ServerMetricsView& server,
                          uint64_t now_unix_us);

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_METRICS_TEXT_H_
