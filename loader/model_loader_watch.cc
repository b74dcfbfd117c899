// The part of the state machine that watches a version after it began to serve, and rolls it back.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/model_loader_impl.h"
#include "loader/pacer.h"
#include "loader/watch.h"

namespace fmserve::loader {
namespace {

using Kind = LoaderEvent::Kind;
using Verdict = GateReport::Verdict;
using std::chrono::milliseconds;

constexpr milliseconds kLongestLookInterval{1000};
constexpr int kLooksPerWindow = 20;  // at least
constexpr int kSettlingShare = 10;   // the first tenth of the window
constexpr std::chrono::seconds kComplaintInterval{60};

}  // namespace

// Of the canary if there is one, else of what serves.
void ModelLoader::Impl::StartWatch() {
  watch_.reset();
  const uint64_t serving = state_.weights.serving_version;
  const uint64_t before = HasCanary() ? serving : state_.weights.previous_version;
  const bool pinned = state_.weights.pinned_version != 0 || (pin_request_ && pin_request_->pins);
  if (!options_.watch.enabled || before == 0 || pinned) return;
  watch_ = {.version = HasCanary() ? state_.weights.canary_version : serving,
            .before = before,
            .of_canary = HasCanary(),
            .begin = Clock::now(),
            .since_unix_us = UnixMicros(),
            .next_look = Clock::now(),
            .next_replay_count = options_.watch.min_requests};
  if (options_.requests.counted) {
    watch_->counted_at_begin = options_.requests.counted(watch_->version);
    watch_->counted_before = options_.requests.counted(before);
  }
  if (options_.requests.compare) watch_->last_request = options_.requests.last();
}

std::shared_ptr<const Snapshot> ModelLoader::Impl::WatchedSnapshot() const {
  return watch_->of_canary ? slot_.Canary() : slot_.Get();
}

std::shared_ptr<const Snapshot> ModelLoader::Impl::SnapshotBefore() const {
  return watch_->of_canary ? slot_.Get() : slot_.Previous();
}

// Also that what was before is still what a rollback would bring back.
bool ModelLoader::Impl::WatchStands() {
  if (!watch_) return false;
  const std::shared_ptr<const Snapshot> watched = WatchedSnapshot();
  const std::shared_ptr<const Snapshot> before = SnapshotBefore();
  const bool stands = state_.weights.pinned_version == 0 && watched != nullptr &&
                      watched->version() == watch_->version && before != nullptr &&
                      before->version() == watch_->before;
  if (!stands) watch_.reset();
  return stands;
}

void ModelLoader::Impl::LookAtWatch() {
  if (!watch_ || Clock::now() < watch_->next_look || !WatchStands()) return;
  const Clock::time_point now = Clock::now();
  watch_->next_look = now + std::min(kLongestLookInterval, options_.watch.window / kLooksPerWindow);
  if (options_.requests.counted) {
    GateReport report = JudgeWatchedCounts(now);
    watch_->counted_enough = report.verdict != Verdict::kTooFewRequests;
    if (report.verdict == Verdict::kHeld) {
      FailWatch(std::move(report));
      return;
    }
  }
  const bool enough =
      Replays() ? watch_->replayed_count >= options_.watch.min_requests : watch_->counted_enough;
  if (now >= watch_->begin + options_.watch.window && enough && !WantsReplay()) EndWatch();
}

GateReport ModelLoader::Impl::JudgeWatchedCounts(Clock::time_point now) const {
  const LiveCounts watched =
      options_.requests.counted(watch_->version).Since(watch_->counted_at_begin);
  const LiveCounts before =
      watch_->of_canary ? options_.requests.counted(watch_->before).Since(watch_->counted_before)
                        : watch_->counted_before;
  const bool settled = now - watch_->begin >= options_.watch.window / kSettlingShare;
  return JudgeCounts(options_.watch, before, watched, settled);
}

bool ModelLoader::Impl::Replays() const {
  return options_.shadow.enabled && options_.requests.compare;
}

// With twice as many requests each time, so that what is wrong is seen soon and the rest costs
// little; and with all of them at the end.
bool ModelLoader::Impl::WantsReplay() {
  if (!Replays() || !WatchStands()) return false;
  const size_t count = options_.requests.count(watch_->last_request);
  if (count >= watch_->next_replay_count) return true;
  const bool over = Clock::now() >= watch_->begin + options_.watch.window;
  return over && count >= options_.watch.min_requests && count > watch_->replayed_count;
}

void ModelLoader::Impl::StartReplay() {
  watch_->replayed_count = options_.requests.count(watch_->last_request);
  watch_->next_replay_count = 2 * watch_->replayed_count;
  worker_->Start([this, version = watch_->version, after = watch_->last_request,
                  watched = WatchedSnapshot(),
                  before = SnapshotBefore()](const std::stop_token& stop) {
    Pacer pacer(stop);
    absl::StatusOr<Comparison> comparison =
        options_.requests.compare(*before, *watched, after, [&pacer] { return pacer.Step(); });
    return [this, version, comparison = std::move(comparison)] {
      if (!comparison.ok() || !WatchStands() || watch_->version != version) return;
      ShadowGateOptions thresholds = options_.shadow;
      thresholds.min_requests = 1;  // the ring may have dropped some of those that were counted
      GateReport report = JudgeComparison(thresholds, *comparison);
      if (report.verdict == Verdict::kHeld) FailWatch(std::move(report));
    };
  });
}

void ModelLoader::Impl::EndWatch() {
  const Watch watch = *std::exchange(watch_, std::nullopt);
  if (watch.failing) return;
  state_.weights.rolled_back_version = 0;
  Emit(Kind::kWatchPassed, watch.version, kWatchGate,
       absl::StrCat("beside version ", watch.before, ", with ", watch.replayed_count,
                    " of its requests answered by both"),
       Artifact::kWeights, GateOf(kWatchGate));
  Changed();
}

void ModelLoader::Impl::FailWatch(GateReport report) {
  report.version = watch_->version;
  report.serving_version = watch_->before;
  report.compared_unix_us = UnixMicros();
  report.seconds = std::chrono::duration<double>(Clock::now() - watch_->begin).count();
  last_report_ = report;
  if (watch_->of_canary) {
    EndCanary(report.version, kWatchGate, report.detail);
    return;
  }
  if (state_.weights.rolled_back_version != 0) {
    Complain(report);
    return;
  }
  Rejection rejection{.version = report.version, .gate = kWatchGate, .detail = report.detail};
  if (const auto cached = state_.weights.cached.find(report.version);
      cached != state_.weights.cached.end()) {
    rejection.sha256 = cached->second.sha256;
    rejection.size_bytes = cached->second.size_bytes;
    rejection.published_unix_us = cached->second.published_unix_us;
  }
  ExchangeWithPrevious(GateOf(kWatchGate), "rolled back");  // ends the watch
  ++automatic_rollbacks_count_;
  state_.weights.rolled_back_version = report.version;
  last_error_ = absl::StrCat("version ", report.version, " was rolled back: ", report.detail);
  for (const Artifact artifact : {Artifact::kWeights, Artifact::kCatalogue}) {
    const CacheState& state = StateOf(artifact);
    if (state.serving_version == state.previous_version) continue;
    Emit(Kind::kRolledBack, state.serving_version, kWatchGate,
         absl::StrCat("from version ", state.previous_version,
                      artifact == Artifact::kWeights ? ", which is rejected: "
                                                     : ", together with the weights: ",
                      report.detail),
         artifact, GateOf(kWatchGate));
  }
  Note(Artifact::kWeights, report.version, HistoryStep::kRejected, GateOf(kWatchGate),
       report.detail);
  AddRejection(std::move(rejection), state_.weights);
  Changed();
}

// The version before it was rolled back, too: then something else may be wrong, such as what both
// are compared with.
void ModelLoader::Impl::Complain(const GateReport& report) {
  last_error_ = absl::StrCat("version ", report.version, " fails its watch: ", report.detail,
                             "; it stays, because version ", state_.weights.rolled_back_version,
                             " was rolled back before it: approve, pin or roll back by hand");
  if (watch_->failing && Clock::now() < watch_->next_complaint) return;
  watch_->failing = true;
  watch_->next_complaint = Clock::now() + kComplaintInterval;
  failing_watch_version_ = report.version;
  Emit(Kind::kWatchFailed, report.version, kWatchGate, last_error_, Artifact::kWeights,
       GateOf(kWatchGate));
}

}  // namespace fmserve::loader
