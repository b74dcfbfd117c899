// The metrics page: Prometheus text format, version 0.0.4.
#ifndef FMSERVE_SERVER_METRICS_TEXT_H_
#define FMSERVE_SERVER_METRICS_TEXT_H_

#include <cstdint>
#include <span>
#include <string>

#include "loader/model_loader.h"
#include "server/metrics.h"

namespace fmserve::server {

// One model at the moment of a scrape.
struct ModelMetricsView {
  loader::ModelStatus status;
  RequestCounts predict;
  RequestCounts top_k;
};

// docs/operators.md lists the series.
std::string FormatMetrics(std::span<const ModelMetricsView> models, uint64_t unknown_model_requests,
                          bool draining, uint64_t now_unix_us);

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_METRICS_TEXT_H_
