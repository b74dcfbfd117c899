// The part of the state machine that keeps the books: what serves, what was rejected, who waits,
// what is to be saved.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "loader/model_loader_impl.h"
#include "s3/client.h"

namespace fmserve::loader {
namespace {

using Kind = LoaderEvent::Kind;
using std::chrono::milliseconds;

constexpr milliseconds kSaveRetryInterval{1000};

// Without the number that a store in S3 gives each of its answers: what is new is worth a line in
// the log.
absl::string_view WithoutRequestId(absl::string_view error) {
  return error.substr(0, error.find(", request "));
}

}  // namespace

bool ModelLoader::Impl::IsWanted(uint64_t version) const {
  if (pin_request_) return version == pin_request_->version;
  if (state_.weights.pinned_version != 0) return version == state_.weights.pinned_version;
  return newest_ && version == newest_->version;
}

std::string ModelLoader::Impl::WhoWants(uint64_t version) const {
  if (pin_request_ && pin_request_->version == version) return pin_request_->who;
  return version == state_.weights.pinned_version ? kSomeOperator : kServer;
}

void ModelLoader::Impl::Publish(const std::shared_ptr<const Snapshot>& snapshot,
                                const std::string& who) {
  SettleCanary(*snapshot, who);
  if (state_.weights.serving_version != 0) ++swaps_count_;
  slot_.Publish(snapshot);
  for (const Artifact artifact : {Artifact::kWeights, Artifact::kCatalogue}) {
    CacheState& state = StateOf(artifact);
    const uint64_t version =
        artifact == Artifact::kWeights ? snapshot->version() : snapshot->catalogue_version();
    state.previous_version = std::exchange(state.serving_version, version);
    if (state.previous_version == version) continue;
    state.set_aside_version = 0;
    state.rejections.erase(version);
    if (artifact == Artifact::kWeights) EndHold(version);
    Note(artifact, state.previous_version, HistoryStep::kEnded, who,
         absl::StrCat("version ", version, " serves"));
    Emit(Kind::kPublished, version, "",
         state.previous_version == 0 ? "the first version"
                                     : absl::StrCat("after version ", state.previous_version),
         artifact, who);
  }
  serving_since_unix_us_ = UnixMicros();
  restore_previous_ = false;
  cleaner_.SnapshotWasRetired();
  watch_.reset();
  if (state_.weights.serving_version != state_.weights.previous_version) StartWatch();
  Changed();
}

void ModelLoader::Impl::ExchangeWithPrevious(const std::string& who, const std::string& why) {
  StopCanary("exchanged", "what it was to replace serves no more", who);
  watch_.reset();
  slot_.Rollback();
  for (const Artifact artifact : {Artifact::kWeights, Artifact::kCatalogue}) {
    CacheState& state = StateOf(artifact);
    if (state.serving_version == state.previous_version) continue;
    std::swap(state.serving_version, state.previous_version);
    Note(artifact, state.previous_version, HistoryStep::kEnded, who,
         absl::StrCat(why, ": version ", state.serving_version, " serves"));
    Note(artifact, state.serving_version, HistoryStep::kServed, who,
         absl::StrCat(why, ": instead of version ", state.previous_version));
  }
  EndHold(state_.weights.serving_version);
  serving_since_unix_us_ = UnixMicros();
  ++swaps_count_;
  Changed();
}

void ModelLoader::Impl::SetPinned(uint64_t version, const std::string& who) {
  if (std::exchange(state_.weights.pinned_version, version) == version) return;
  StopCanary("pin", absl::StrCat("version ", version, " is pinned"), who);
  watch_.reset();
  Emit(Kind::kPinned, version, "", "it serves until it is unpinned", Artifact::kWeights, who);
  Changed();
}

void ModelLoader::Impl::RemoveOldVersions() {
  for (const Artifact artifact : {Artifact::kWeights, Artifact::kCatalogue}) {
    for (const uint64_t version : VersionsToRemove(StateOf(artifact), options_.cached_versions))
      Forget(artifact, version);
  }
  Changed();
}

void ModelLoader::Impl::KeepInCache(Artifact artifact, const Prepared& prepared) {
  StateOf(artifact).cached[prepared.manifest.version] = prepared.manifest;
  if (prepared.other_catalogue)
    state_.catalogue.cached[prepared.other_catalogue->version] = *prepared.other_catalogue;
}

void ModelLoader::Impl::Forget(Artifact artifact, uint64_t version) {
  StateOf(artifact).cached.erase(version);
  removals_.emplace_back(artifact, version);
}

void ModelLoader::Impl::RecordRejection(Rejection rejection, const std::string& who) {
  last_error_ = absl::StrCat("version ", rejection.version, " was rejected: ", rejection.detail);
  const auto known = state_.weights.rejections.find(rejection.version);
  if (known != state_.weights.rejections.end() && known->second == rejection) return;
  CountGate(rejection.gate, "rejected");
  Emit(Kind::kRejected, rejection.version, rejection.gate, rejection.detail, Artifact::kWeights,
       who.empty() ? GateOf(rejection.gate) : who);
  AddRejection(std::move(rejection), state_.weights);
  Changed();
}

void ModelLoader::Impl::RecordFailure(std::string_view step, uint64_t version,
                                      const absl::Status& status) {
  std::string error = absl::StrCat(std::string(step), ": ", status.ToString());
  if (!failing_ || WithoutRequestId(error) != WithoutRequestId(last_error_))
    Emit(Kind::kFailed, version, step, std::string(status.message()));
  failing_ = true;
  last_error_ = std::move(error);
  ++poll_failures_count_;
  const absl::Duration asked = s3::RetryAfter(status).value_or(absl::ZeroDuration());
  next_poll_ = Clock::now() + backoff_.Next(absl::ToChronoMilliseconds(asked));
}

void ModelLoader::Impl::RecordSuccess() {
  if (std::exchange(failing_, false))
    Emit(Kind::kRecovered, state_.weights.serving_version, "", source_->Describe());
  last_error_.clear();
  backoff_.Reset();
}

void ModelLoader::Impl::Changed() {
  ++changes_count_;
  wake_.notify_one();
}

void ModelLoader::Impl::Emit(Kind kind, uint64_t version, std::string_view reason,
                             std::string detail, Artifact artifact, const std::string& who) {
  events_.push_back(
      {kind, options_.model, version, std::string(reason), std::move(detail), artifact, who});
  NoteEvent(events_.back());
  wake_.notify_one();
}

void ModelLoader::Impl::Finish(const TicketPtr& ticket, const absl::Status& status) {
  ticket->done = true;
  ticket->status = status;
  settled_.notify_all();
}

void ModelLoader::Impl::FinishReloads(const absl::Status& status) {
  for (const TicketPtr& ticket : std::exchange(reloads_underway_, {})) Finish(ticket, status);
}

void ModelLoader::Impl::FinishPin(uint64_t version, const absl::Status& status) {
  if (!pin_request_ || pin_request_->version != version) return;
  Finish(pin_request_->ticket, status);
  pin_request_.reset();
}

absl::Status ModelLoader::Impl::Await(Lock& lock, const TicketPtr& ticket,
                                      Clock::time_point deadline) {
  settled_.wait_until(lock, deadline, [&] { return ticket->done || stopping_; });
  if (ticket->done) return ticket->status;
  if (stopping_) return absl::UnavailableError("the loader was stopped before it was done");
  return absl::DeadlineExceededError("not done yet; it goes on");
}

void ModelLoader::Impl::AwaitSaved(Lock& lock, Clock::duration patience) {
  settled_.wait_for(lock, patience, [this, change = changes_count_] {
    return saved_changes_count_ >= change || stopping_;
  });
}

bool ModelLoader::Impl::DoChores(Lock& lock) {
  const bool saved = SaveState(lock);
  const bool noted = SaveHistory(lock);
  const bool delivered = DeliverEvents(lock);
  const bool removed = RemoveFiles(lock);
  return saved || noted || delivered || removed;
}

bool ModelLoader::Impl::SaveState(Lock& lock) {
  if (changes_count_ == saved_changes_count_ || Clock::now() < next_save_) return false;
  const ModelState state = state_;
  const uint64_t changes_count = changes_count_;
  lock.unlock();
  const absl::Status status = cache_->SaveState(state);
  lock.lock();
  if (status.ok()) {
    saved_changes_count_ = changes_count;
    settled_.notify_all();
  } else {
    next_save_ = Clock::now() + kSaveRetryInterval;
    RecordFailure("cache", state_.weights.serving_version, status);
  }
  return true;
}

bool ModelLoader::Impl::DeliverEvents(Lock& lock) {
  if (events_.empty()) return false;
  const std::vector<LoaderEvent> events = std::exchange(events_, {});
  lock.unlock();
  for (const LoaderEvent& event : events) listener_(event);
  lock.lock();
  return true;
}

bool ModelLoader::Impl::RemoveFiles(Lock& lock) {
  if (removals_.empty()) return false;
  const std::vector<std::pair<Artifact, uint64_t>> removals = std::exchange(removals_, {});
  lock.unlock();
  // A file that cannot be removed now is met again after the next start.
  for (const auto& [artifact, version] : removals) {
    if (absl::StatusOr<FileDescriptor> file = cache_->Detach(artifact, version); file.ok())
      cleaner_.Free(*std::move(file));
  }
  lock.lock();
  return true;
}

void ModelLoader::Impl::RecordDelta(uint64_t version, const DeltaReport& report) {
  ++delta_fetches_[static_cast<size_t>(report.outcome)];
  if (report.outcome == DeltaOutcome::kApplied || report.outcome == DeltaOutcome::kNoBase) return;
  Emit(LoaderEvent::Kind::kDeltaFailed, version, Name(report.outcome), report.detail);
}

}  // namespace fmserve::loader
