#include "server/status_message.h"

#include <cstdint>

#include "google/protobuf/util/time_util.h"

namespace fmserve::server {
namespace {

using google::protobuf::util::TimeUtil;

v1::LoadState ToProto(loader::LoadState state) {
  switch (state) {
    case loader::LoadState::kIdle:
      return v1::LOAD_STATE_IDLE;
    case loader::LoadState::kFetching:
      return v1::LOAD_STATE_FETCHING;
    case loader::LoadState::kVerifying:
      return v1::LOAD_STATE_VERIFYING;
    case loader::LoadState::kWarming:
      return v1::LOAD_STATE_WARMING;
    case loader::LoadState::kRetrying:
      return v1::LOAD_STATE_RETRYING;
  }
  return v1::LOAD_STATE_UNSPECIFIED;
}

v1::VersionState ToProto(loader::VersionState state) {
  switch (state) {
    case loader::VersionState::kServing:
      return v1::VERSION_STATE_SERVING;
    case loader::VersionState::kPrevious:
      return v1::VERSION_STATE_PREVIOUS;
    case loader::VersionState::kCached:
      return v1::VERSION_STATE_CACHED;
    case loader::VersionState::kRejected:
      return v1::VERSION_STATE_REJECTED;
    case loader::VersionState::kAvailable:
      return v1::VERSION_STATE_AVAILABLE;
    case loader::VersionState::kHeld:
      return v1::VERSION_STATE_HELD;
    case loader::VersionState::kCanary:
      return v1::VERSION_STATE_CANARY;
  }
  return v1::VERSION_STATE_UNSPECIFIED;
}

// The protocol has the same steps in the same order, behind its first, "unspecified".
v1::HistoryStep ToProto(loader::HistoryStep step) {
  return static_cast<v1::HistoryStep>(static_cast<int>(step) + 1);
}
static_assert(v1::HistoryStep_MAX == static_cast<int>(loader::kHistoryStepsCount));

v1::GateVerdict ToProto(loader::GateReport::Verdict verdict) {
  switch (verdict) {
    case loader::GateReport::Verdict::kPassed:
      return v1::GATE_VERDICT_PASSED;
    case loader::GateReport::Verdict::kHeld:
      return v1::GATE_VERDICT_HELD;
    case loader::GateReport::Verdict::kTooFewRequests:
      return v1::GATE_VERDICT_TOO_FEW_REQUESTS;
  }
  return v1::GATE_VERDICT_UNSPECIFIED;
}

// Leaves a time that is 0 unset.
template <typename Message>
void SetTime(uint64_t unix_us, Message& message,
             google::protobuf::Timestamp* (Message::*mutable_time)()) {
  if (unix_us == 0) return;
  *(message.*mutable_time)() = TimeUtil::MicrosecondsToTimestamp(static_cast<int64_t>(unix_us));
}

}  // namespace

void SetModel(const ServedModel& model, bool is_default, v1::Model* out) {
  const loader::ModelStatus status = model.loader->GetStatus();
  out->set_name(model.name);
  out->set_is_default(is_default);
  out->set_serving_version(status.serving_version);
  out->set_previous_version(status.previous_version);
  out->set_pinned_version(status.pinned_version);
  out->set_load_state(ToProto(status.load_state));
  out->set_loading_version(status.loading_version);
  out->set_last_error(status.last_error);
  SetTime(status.serving_since_unix_us, *out, &v1::Model::mutable_serving_since);
  out->set_snapshot_bytes(status.snapshot_bytes);
  out->set_huge_page_bytes(status.huge_page_bytes);
  out->set_swaps_count(status.swaps_count);
  out->set_catalogue_version(status.catalogue_version);
  out->set_previous_catalogue_version(status.previous_catalogue_version);
  out->set_loading_catalogue_version(status.loading_catalogue_version);
  out->set_catalogue_items_count(status.catalogue_items_count);
  out->set_catalogue_bytes(status.catalogue_bytes);
  SetTime(status.catalogue_published_unix_us, *out, &v1::Model::mutable_catalogue_published);
  out->set_catalogue_error(status.catalogue_error);
  out->set_held_version(status.held_version);
  out->set_canary_version(status.canary_version);
  out->set_canary_percent(status.canary_percent);
  SetTime(status.canary_since_unix_us, *out, &v1::Model::mutable_canary_since);
  out->set_watched_version(status.watched_version);
  SetTime(status.watched_since_unix_us, *out, &v1::Model::mutable_watched_since);
  out->set_watch_is_failing(status.watch_is_failing);
  out->set_automatic_rollbacks_count(status.automatic_rollbacks_count);
}

void SetVersion(const loader::VersionStatus& version, v1::Version* out) {
  out->set_version(version.version);
  out->set_state(ToProto(version.state));
  out->set_reason(version.reason);
  out->set_size_bytes(version.size_bytes);
  SetTime(version.published_unix_us, *out, &v1::Version::mutable_published);
  out->set_sha256(version.sha256);
}

void SetVersionHistory(const loader::VersionHistory& history, v1::VersionHistory* out) {
  out->set_version(history.version);
  out->set_of_catalogue(history.artifact == loader::Artifact::kCatalogue);
  for (const loader::HistoryEvent& event : history.events) {
    v1::HistoryEvent* const message = out->add_events();
    message->set_step(ToProto(event.step));
    SetTime(event.unix_us, *message, &v1::HistoryEvent::mutable_time);
    message->set_who(event.who);
    message->set_why(event.why);
  }
}

void SetGateReport(const loader::GateReport& report, v1::GateReport* out) {
  out->set_version(report.version);
  out->set_serving_version(report.serving_version);
  out->set_verdict(ToProto(report.verdict));
  out->set_detail(report.detail);
  out->set_requests_count(report.requests_count);
  out->set_failed_requests_count(report.failed_requests_count);
  out->set_candidates_count(report.candidates_count);
  SetTime(report.compared_unix_us, *out, &v1::GateReport::mutable_compared);
  out->set_seconds(report.seconds);
  for (const loader::Measure& measure : report.measures) {
    v1::GateMeasure* const message = out->add_measures();
    message->set_name(measure.name);
    if (measure.serving) message->set_serving(*measure.serving);
    if (measure.candidate) message->set_candidate(*measure.candidate);
    message->set_value(measure.value);
    if (measure.at_least) message->set_at_least(*measure.at_least);
    if (measure.at_most) message->set_at_most(*measure.at_most);
    message->set_passed(measure.passed);
  }
}

}  // namespace fmserve::server
