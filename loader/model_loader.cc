#include "loader/model_loader.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/model_loader_impl.h"

namespace fmserve::loader {
namespace {

using std::chrono::milliseconds;

// A rollback does not wait for a slow disk: it is in effect already.
constexpr milliseconds kRollbackSavePatience{5};
constexpr milliseconds kPinSavePatience{1000};

absl::Status Stopped() { return absl::UnavailableError("the loader has been stopped"); }

}  // namespace

ModelLoader::ModelLoader(LoaderOptions options, std::unique_ptr<Source> source,
                         EventListener listener, std::unique_ptr<Source> catalogues)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(source), std::move(listener),
                                   std::move(catalogues))) {}

ModelLoader::~ModelLoader() = default;

absl::Status ModelLoader::Start() { return impl_->Start(); }
void ModelLoader::Stop() { impl_->Stop(); }
const ModelSlot& ModelLoader::slot() const { return impl_->slot(); }
ModelStatus ModelLoader::GetStatus() const { return impl_->GetStatus(); }
std::vector<VersionStatus> ModelLoader::ListVersions(Artifact artifact) const {
  return impl_->ListVersions(artifact);
}
absl::Status ModelLoader::Reload(Clock::time_point deadline) { return impl_->Reload(deadline); }
absl::Status ModelLoader::Rollback(const std::string& who) { return impl_->Rollback(who); }
absl::Status ModelLoader::Pin(uint64_t version, Clock::time_point deadline,
                              const std::string& who) {
  return impl_->Pin(version, deadline, who);
}
absl::Status ModelLoader::Unpin(const std::string& who) { return impl_->Unpin(who); }
absl::Status ModelLoader::Approve(uint64_t version, Clock::time_point deadline,
                                  const std::string& who) {
  return impl_->Approve(version, deadline, who);
}
absl::Status ModelLoader::Reject(uint64_t version, const std::string& reason,
                                 const std::string& who) {
  return impl_->Reject(version, reason, who);
}
std::vector<VersionHistory> ModelLoader::GetHistory(size_t limit, uint64_t version) const {
  return impl_->GetHistory(limit, version);
}
absl::StatusOr<GateReport> ModelLoader::GetGateReport(uint64_t version) const {
  return impl_->GetGateReport(version);
}

ModelStatus ModelLoader::Impl::GetStatus() const {
  const std::shared_ptr<const Snapshot> current = slot_.Get();
  const std::shared_ptr<const Snapshot> previous = slot_.Previous();
  ModelStatus status;
  if (current != nullptr && current->catalogue() != nullptr) {
    const model::CatalogueInfo& info = current->catalogue()->file().info();
    status.catalogue_version = info.version;
    status.catalogue_items_count = info.items_count;
    status.catalogue_bytes = info.file_size + current->catalogue()->bytes();
  }
  if (previous != nullptr) status.previous_catalogue_version = previous->catalogue_version();
  status.huge_page_bytes = slot_.huge_page_bytes();
  const Lock lock(mutex_);
  status.model = options_.model;
  status.serving_version = state_.weights.serving_version;
  status.previous_version = previous != nullptr ? state_.weights.previous_version : 0;
  status.pinned_version = state_.weights.pinned_version;
  status.load_state = progress_;
  if (status.load_state == LoadState::kIdle && failing_) status.load_state = LoadState::kRetrying;
  status.loading_version = loading_version_;
  status.loading_catalogue_version = loading_catalogue_version_;
  status.last_error = last_error_;
  status.catalogue_error = catalogue_error_;
  status.serving_since_unix_us = serving_since_unix_us_;
  const auto serving = state_.weights.cached.find(state_.weights.serving_version);
  if (serving != state_.weights.cached.end())
    status.published_unix_us = serving->second.published_unix_us;
  const auto catalogue = state_.catalogue.cached.find(status.catalogue_version);
  if (catalogue != state_.catalogue.cached.end())
    status.catalogue_published_unix_us = catalogue->second.published_unix_us;
  status.snapshot_bytes = slot_.mapped_bytes();
  status.swaps_count = swaps_count_;
  status.poll_failures_count = poll_failures_count_;
  if (state_.weights.held) status.held_version = state_.weights.held->manifest.version;
  if (HasCanary()) {
    status.canary_version = state_.weights.canary_version;
    status.canary_percent = options_.rollout.canary_percent;
    status.canary_since_unix_us = canary_since_unix_us_;
  }
  for (const auto& [gate_and_result, count] : gate_results_)
    status.gate_results.push_back({gate_and_result.first, gate_and_result.second, count});
  status.delta_fetches = delta_fetches_;
  if (watch_) {
    status.watched_version = watch_->version;
    status.watched_since_unix_us = watch_->since_unix_us;
  }
  status.watch_is_failing =
      failing_watch_version_ != 0 && failing_watch_version_ == state_.weights.serving_version;
  status.automatic_rollbacks_count = automatic_rollbacks_count_;
  return status;
}

std::vector<VersionStatus> ModelLoader::Impl::ListVersions(Artifact artifact) const {
  const bool weights = artifact == Artifact::kWeights;
  const Lock lock(mutex_);
  const CacheState& state = StateOf(artifact);
  const std::optional<Manifest>& newest = weights ? newest_ : newest_catalogue_;
  std::map<uint64_t, VersionStatus, std::greater<>> versions;
  for (const uint64_t version : weights ? available_versions_ : available_catalogue_versions_)
    versions[version] = {.version = version};
  if (newest) {
    versions[newest->version] = {.version = newest->version,
                                 .size_bytes = newest->size_bytes,
                                 .published_unix_us = newest->published_unix_us,
                                 .sha256 = newest->sha256};
  }
  for (const auto& [version, manifest] : state.cached) {
    versions[version] = {.version = version,
                         .state = VersionState::kCached,
                         .size_bytes = manifest.size_bytes,
                         .published_unix_us = manifest.published_unix_us,
                         .sha256 = manifest.sha256};
  }
  for (const auto& [version, rejection] : state.rejections) {
    versions[version] = {.version = version,
                         .state = VersionState::kRejected,
                         .reason = absl::StrCat(rejection.gate, ": ", rejection.detail),
                         .size_bytes = rejection.size_bytes,
                         .published_unix_us = rejection.published_unix_us,
                         .sha256 = rejection.sha256};
  }
  if (state.held) {
    const Manifest& manifest = state.held->manifest;
    VersionStatus& held = versions[manifest.version];
    held = {.version = manifest.version,
            .state = VersionState::kHeld,
            .size_bytes = manifest.size_bytes,
            .published_unix_us = manifest.published_unix_us,
            .sha256 = manifest.sha256};
    held.reason = absl::StrCat(state.held->gate, ": ", state.held->why);
  }
  if (const auto found = versions.find(state.previous_version);
      found != versions.end() && !state.rejections.contains(found->first)) {
    found->second.state = VersionState::kPrevious;
  }
  if (const auto found = versions.find(state.canary_version); found != versions.end()) {
    found->second.state = VersionState::kCanary;
    found->second.reason = absl::StrCat(options_.rollout.canary_percent, " % of the requests");
  }
  if (const auto found = versions.find(state.serving_version); found != versions.end()) {
    found->second.state = VersionState::kServing;
  }
  std::vector<VersionStatus> result;
  result.reserve(versions.size());
  for (auto& [version, status] : versions) result.push_back(std::move(status));
  return result;
}

absl::Status ModelLoader::Impl::Reload(Clock::time_point deadline) {
  Lock lock(mutex_);
  if (stopping_) return Stopped();
  if (state_.weights.pinned_version != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("version ", state_.weights.pinned_version, " is pinned; unpin it first"));
  }
  const TicketPtr ticket = std::make_shared<Ticket>();
  reloads_asked_.push_back(ticket);
  wake_.notify_one();
  return Await(lock, ticket, deadline);
}

absl::Status ModelLoader::Impl::Rollback(const std::string& who) {
  Lock lock(mutex_);
  if (stopping_) return Stopped();
  if (state_.weights.pinned_version != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("version ", state_.weights.pinned_version,
                     " is pinned; unpin it first, or pin another one"));
  }
  if (HasCanary()) {
    RollBackCanary(who);
    AwaitSaved(lock, kRollbackSavePatience);
    return absl::OkStatus();
  }
  if (slot_.Previous() == nullptr) {
    return absl::FailedPreconditionError("there is no previous version; pin one instead");
  }
  ExchangeWithPrevious(who, "rolled back");
  state_.weights.rolled_back_version = 0;
  for (const Artifact artifact : {Artifact::kWeights, Artifact::kCatalogue}) {
    CacheState& state = StateOf(artifact);
    if (state.serving_version == state.previous_version) continue;
    state.set_aside_version = state.previous_version;
    Emit(LoaderEvent::Kind::kRolledBack, state.serving_version, "",
         absl::StrCat("from version ", state.previous_version, ", which is set aside"), artifact,
         who);
  }
  AwaitSaved(lock, kRollbackSavePatience);
  return absl::OkStatus();
}

absl::Status ModelLoader::Impl::Pin(uint64_t version, Clock::time_point deadline,
                                    const std::string& who) {
  if (version == 0 || version > kMaxVersion) {
    return absl::InvalidArgumentError(absl::StrCat("version ", version, ": must be 1 to 10^18"));
  }
  Lock lock(mutex_);
  if (stopping_) return Stopped();
  state_.weights.rolled_back_version = 0;
  if (pin_request_) {
    FinishPin(pin_request_->version,
              absl::AbortedError(absl::StrCat("a pin of version ", version, " came in between")));
  }
  if (version == state_.weights.canary_version) PublishCanary(who);
  const std::shared_ptr<const Snapshot> previous = slot_.Previous();
  if (version != state_.weights.serving_version && previous != nullptr &&
      previous->version() == version) {
    ExchangeWithPrevious(who, "pinned");
  }
  if (version == state_.weights.serving_version) {
    SetPinned(version, who);
    AwaitSaved(lock, kPinSavePatience);
    return absl::OkStatus();
  }
  const TicketPtr ticket = std::make_shared<Ticket>();
  pin_request_ = {version, ticket, /*pins=*/true, who};
  if (worker_ != nullptr && loading_version_ != version) worker_->Cancel();
  wake_.notify_one();
  const absl::Status status = Await(lock, ticket, deadline);
  if (status.ok()) AwaitSaved(lock, kPinSavePatience);
  return status;
}

absl::Status ModelLoader::Impl::Unpin(const std::string& who) {
  Lock lock(mutex_);
  if (stopping_) return Stopped();
  if (pin_request_)
    FinishPin(pin_request_->version, absl::AbortedError("an unpin came in between"));
  if (state_.weights.pinned_version == 0) return absl::OkStatus();
  const uint64_t version = std::exchange(state_.weights.pinned_version, 0);
  Emit(LoaderEvent::Kind::kUnpinned, version, "", "the newest published version serves from now on",
       Artifact::kWeights, who);
  next_poll_ = Clock::now();
  Changed();
  AwaitSaved(lock, kPinSavePatience);
  return absl::OkStatus();
}

}  // namespace fmserve::loader
