// What the server counts, and its Prometheus text.
#ifndef FMSERVE_SERVER_METRICS_H_
#define FMSERVE_SERVER_METRICS_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "loader/watch.h"
#include "model/feature_schema.h"

namespace fmserve::server {

inline constexpr size_t kCodesCount = 17;  // OK to UNAUTHENTICATED

// Upper bounds of the latency histogram, dense around the usual budget of 20 ms; one more bucket
// holds the rest.
inline constexpr auto kLatencyBoundsSeconds =
    std::to_array({0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.0125, 0.015,
                   0.0175, 0.02, 0.0225, 0.025, 0.03, 0.04, 0.06, 0.1});

// One finished request.
struct RequestRecord {
  absl::StatusCode code = absl::StatusCode::kOk;
  uint64_t version = 0;  // 0: no snapshot
  std::chrono::nanoseconds latency{0};
  uint64_t scored_count = 0;
  uint64_t non_finite_count = 0;  // of these
  bool incomplete = false;
  const model::FeatureSchema* schema =
      nullptr;  // of the snapshot; null: no unknown features to count
  std::span<const uint32_t> unknown_by_field = {};  // at least schema->size()
};

struct VersionCounts {
  uint64_t version = 0;
  std::array<uint64_t, kCodesCount> by_code = {};
  uint64_t scores = 0;
  uint64_t non_finite = 0;                                                      // of these
  std::array<uint64_t, kLatencyBoundsSeconds.size() + 1> latency_buckets = {};  // as below
};

struct FieldCount {
  std::string field;
  uint64_t count = 0;
};

// Everything counted since the start.
struct RequestCounts {
  std::vector<VersionCounts> versions;  // the latest kCountedVersions, oldest first
  std::array<uint64_t, kLatencyBoundsSeconds.size() + 1> latency_buckets = {};  // not cumulative
  double latency_sum_s = 0.0;
  uint64_t candidates = 0;
  uint64_t incomplete = 0;
  std::vector<FieldCount> unknown;                                     // per field of the schema
  std::map<std::pair<std::string, std::string>, uint64_t> rejections;  // per artifact and reason
};

// Series of older versions end, so that a server that gets a version every minute does not grow
// without end.
inline constexpr size_t kCountedVersions = 8;

// One model's counts. Safe from any thread. One uncontended lock and some thirty additions per
// request, no allocation but for the first request of a version.
class ModelMetrics {
 public:
  void Record(const RequestRecord& record);
  void RecordRejection(const std::string& artifact, const std::string& reason);
  RequestCounts Counts() const;

  // Of one version, for its watch.
  loader::LiveCounts CountsFor(uint64_t version) const;

 private:
  VersionCounts& CountsOf(uint64_t version);
  void NameFields(const model::FeatureSchema& schema);

  mutable std::mutex mutex_;
  RequestCounts counts_;
  uint64_t named_version_ = 0;  // whose schema gave `unknown` its names
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_METRICS_H_
