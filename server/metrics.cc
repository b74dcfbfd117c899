#include "server/metrics.h"

#include <algorithm>

namespace fmserve::server {
namespace {

// What a client cannot bring about by asking wrongly.
constexpr auto kOurErrors =
    std::to_array({absl::StatusCode::kUnknown, absl::StatusCode::kDeadlineExceeded,
                   absl::StatusCode::kInternal, absl::StatusCode::kDataLoss});

static_assert(kLatencyBoundsSeconds.size() < loader::kMaxLatencyBuckets);

}  // namespace

void ModelMetrics::Record(const RequestRecord& record) {
  const double latency_s = std::chrono::duration<double>(record.latency).count();
  const auto bucket =
      std::lower_bound(kLatencyBoundsSeconds.begin(), kLatencyBoundsSeconds.end(), latency_s);
  const auto bucket_number = static_cast<size_t>(bucket - kLatencyBoundsSeconds.begin());
  const std::lock_guard lock(mutex_);
  VersionCounts& version = CountsOf(record.version);
  ++version.by_code[static_cast<size_t>(record.code)];
  version.scores += record.scored_count;
  version.non_finite += record.non_finite_count;
  ++version.latency_buckets[bucket_number];
  ++counts_.latency_buckets[bucket_number];
  counts_.latency_sum_s += latency_s;
  counts_.candidates += record.scored_count;
  counts_.incomplete += record.incomplete ? 1 : 0;
  if (record.schema == nullptr) return;
  if (record.version != named_version_) {
    NameFields(*record.schema);
    named_version_ = record.version;
  }
  for (size_t i = 0; i < record.schema->size(); ++i)
    counts_.unknown[i].count += record.unknown_by_field[i];
}

void ModelMetrics::RecordRejection(const std::string& artifact, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  ++counts_.rejections[{artifact, reason}];
}

RequestCounts ModelMetrics::Counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

loader::LiveCounts ModelMetrics::CountsFor(uint64_t version) const {
  loader::LiveCounts live;
  std::ranges::copy(kLatencyBoundsSeconds, live.bounds_s.begin());
  const std::lock_guard lock(mutex_);
  const auto counts = std::ranges::find(counts_.versions, version, &VersionCounts::version);
  if (counts == counts_.versions.end()) return live;
  for (const uint64_t count : counts->by_code) live.requests_count += count;
  for (const absl::StatusCode code : kOurErrors)
    live.errors_count += counts->by_code[static_cast<size_t>(code)];
  live.scores_count = counts->scores;
  live.non_finite_count = counts->non_finite;
  std::ranges::copy(counts->latency_buckets, live.latency_buckets.begin());
  return live;
}

VersionCounts& ModelMetrics::CountsOf(uint64_t version) {
  std::vector<VersionCounts>& versions = counts_.versions;
  // Nearly all requests are for the last one.
  const auto found =
      std::find_if(versions.rbegin(), versions.rend(),
                   [version](const VersionCounts& counts) { return counts.version == version; });
  if (found != versions.rend()) return *found;
  if (versions.size() == kCountedVersions) versions.erase(versions.begin());
  return versions.emplace_back(VersionCounts{.version = version});
}

// Versions of one model agree on their fields, but for some that later ones append (gate "schema").
void ModelMetrics::NameFields(const model::FeatureSchema& schema) {
  for (size_t i = counts_.unknown.size(); i < schema.size(); ++i)
    counts_.unknown.push_back({schema.field(i).name, 0});
}

}  // namespace fmserve::server
