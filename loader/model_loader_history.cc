// The part of the state machine that remembers what happened to each version.
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "loader/model_loader_impl.h"

namespace fmserve::loader {
namespace {

using Kind = LoaderEvent::Kind;
using std::chrono::seconds;

constexpr seconds kHistorySaveInterval{1};
constexpr seconds kHistorySaveRetryInterval{30};
constexpr char kPublisher[] = "publisher";
constexpr char kServerStopped[] = "the server stopped";

// What is noted where it happens, or is of no version, is nothing here.
std::optional<HistoryStep> StepOf(Kind kind) {
  switch (kind) {
    case Kind::kPublished:
      return HistoryStep::kServed;
    case Kind::kRejected:
      return HistoryStep::kRejected;
    case Kind::kPinned:
      return HistoryStep::kPinned;
    case Kind::kUnpinned:
      return HistoryStep::kUnpinned;
    case Kind::kFailed:
      return HistoryStep::kFailed;
    case Kind::kHeld:
      return HistoryStep::kHeld;
    case Kind::kApproved:
      return HistoryStep::kApproved;
    case Kind::kCanaryStarted:
      return HistoryStep::kCanary;
    case Kind::kCanaryEnded:
      return HistoryStep::kCanaryEnded;
    case Kind::kWatchPassed:
      return HistoryStep::kWatchPassed;
    case Kind::kWatchFailed:
      return HistoryStep::kWatchFailed;
    case Kind::kRolledBack:
    case Kind::kRecovered:
    case Kind::kDeltaFailed:
      break;
  }
  return std::nullopt;
}

std::string HowFetched(const Prepared& prepared) {
  if (!prepared.delta) return "the whole file";
  if (prepared.delta->outcome == DeltaOutcome::kApplied) return "as a delta";
  return absl::StrCat("the whole file and no delta: ", prepared.delta->detail);
}

std::string GatesPassed(const Prepared& prepared) {
  std::string passed = absl::StrJoin(prepared.gates_passed, ", ", [](std::string* out, auto gate) {
    absl::StrAppend(out, std::string(gate));
  });
  if (prepared.report && prepared.held_by != kShadowGate)
    absl::StrAppend(&passed, passed.empty() ? "" : ", ", kShadowGate, " (", prepared.report->detail,
                    ")");
  return passed;
}

}  // namespace

std::string ModelLoader::Impl::GateOf(std::string_view name) {
  return absl::StrCat("gate ", std::string(name));
}

void ModelLoader::Impl::Note(Artifact artifact, uint64_t version, HistoryStep step,
                             const std::string& who, std::string why, uint64_t unix_us) {
  if (version == 0) return;
  std::optional<HistoryEvent> event = history_.Record({.artifact = artifact,
                                                       .version = version,
                                                       .step = step,
                                                       .unix_us = unix_us,
                                                       .who = who,
                                                       .why = std::move(why)});
  if (!event) return;
  unsaved_history_.push_back(*std::move(event));
  wake_.notify_one();
}

void ModelLoader::Impl::NoteEvent(const LoaderEvent& event) {
  const std::optional<HistoryStep> step = StepOf(event.kind);
  if (!step) return;
  const bool failed = *step == HistoryStep::kFailed;
  Note(event.artifact, event.version, *step, event.who,
       failed ? absl::StrCat(event.reason, ": ", event.detail) : event.detail);
}

void ModelLoader::Impl::NotePublished(Artifact artifact, const Manifest& manifest) {
  if (manifest.published_unix_us == 0 || history_.KnowsPublished(artifact, manifest.version))
    return;
  Note(artifact, manifest.version, HistoryStep::kPublished, kPublisher,
       absl::StrCat(manifest.size_bytes, " bytes"), manifest.published_unix_us);
}

void ModelLoader::Impl::NotePrepared(Artifact artifact, uint64_t version,
                                     const Prepared& prepared) {
  if (prepared.fetched_unix_us != 0) {
    Note(artifact, version, HistoryStep::kFetched, kServer, HowFetched(prepared),
         prepared.fetched_unix_us);
  }
  const bool good =
      prepared.outcome == Prepared::Outcome::kReady || prepared.outcome == Prepared::Outcome::kHeld;
  if (good) Note(artifact, version, HistoryStep::kGated, kServer, GatesPassed(prepared));
}

void ModelLoader::Impl::NoteStop() {
  Note(Artifact::kWeights, state_.weights.canary_version, HistoryStep::kCanaryEnded, kServer,
       kServerStopped);
  Note(Artifact::kWeights, state_.weights.serving_version, HistoryStep::kEnded, kServer,
       kServerStopped);
  Note(Artifact::kCatalogue, state_.catalogue.serving_version, HistoryStep::kEnded, kServer,
       kServerStopped);
}

bool ModelLoader::Impl::SaveHistory(Lock& lock) {
  const bool due = stopping_ || Clock::now() >= next_history_save_;
  if (unsaved_history_.empty() || !due) return false;
  std::vector<HistoryEvent> events = std::exchange(unsaved_history_, {});
  const bool full = history_file_->IsFull(events.size());
  const std::vector<HistoryEvent> all = full ? history_.events() : std::vector<HistoryEvent>();
  lock.unlock();
  const absl::Status status = full ? history_file_->Rewrite(all) : history_file_->Append(events);
  lock.lock();
  if (status.ok()) {
    history_failing_ = false;
    next_history_save_ = Clock::now() + kHistorySaveInterval;
    return true;
  }
  next_history_save_ = Clock::now() + kHistorySaveRetryInterval;
  events.insert(events.end(), unsaved_history_.begin(), unsaved_history_.end());
  if (events.size() > kMaxHistoryEvents)
    events.erase(events.begin(), events.end() - static_cast<ptrdiff_t>(kMaxHistoryEvents));
  unsaved_history_ = std::move(events);
  if (!std::exchange(history_failing_, true))
    Emit(Kind::kFailed, 0, "history", std::string(status.message()));
  return true;
}

std::vector<VersionHistory> ModelLoader::Impl::GetHistory(size_t limit, uint64_t version) const {
  const Lock lock(mutex_);
  return history_.List(limit, version);
}

}  // namespace fmserve::loader
