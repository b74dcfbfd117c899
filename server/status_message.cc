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
  }
  return v1::VERSION_STATE_UNSPECIFIED;
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
}

void SetVersion(const loader::VersionStatus& version, v1::Version* out) {
  out->set_version(version.version);
  out->set_state(ToProto(version.state));
  out->set_reason(version.reason);
  out->set_size_bytes(version.size_bytes);
  SetTime(version.published_unix_us, *out, &v1::Version::mutable_published);
  out->set_sha256(version.sha256);
}

}  // namespace fmserve::server
