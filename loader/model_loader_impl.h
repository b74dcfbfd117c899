// The state machine of ModelLoader. Internal to loader/.
//
// Three threads. The loader's thread decides, publishes and saves: it never touches a store, so
// that it is always there within milliseconds. The worker does the long and heavy things at low
// priority and hands back what came of them. The cleaner gives back what a swap left behind. Public
// methods change the state under the mutex and wake the loader's thread; nobody keeps the mutex
// during input or output.
#ifndef FMSERVE_LOADER_MODEL_LOADER_IMPL_H_
#define FMSERVE_LOADER_MODEL_LOADER_IMPL_H_

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "loader/backoff.h"
#include "loader/cache.h"
#include "loader/cached_snapshot.h"
#include "loader/cleaner.h"
#include "loader/history.h"
#include "loader/history_file.h"
#include "loader/low_priority_worker.h"
#include "loader/model_loader.h"
#include "loader/preparer.h"
#include "loader/rollout.h"

namespace fmserve::loader {

inline uint64_t UnixMicros() { return static_cast<uint64_t>(absl::ToUnixMicros(absl::Now())); }

class ModelLoader::Impl {
 public:
  Impl(LoaderOptions options, std::unique_ptr<Source> source, EventListener listener,
       std::unique_ptr<Source> catalogues);
  ~Impl() {
    Stop();
    worker_.reset();
  }

  absl::Status Start();
  void Stop();

  const ModelSlot& slot() const { return slot_; }
  ModelStatus GetStatus() const;
  std::vector<VersionStatus> ListVersions(Artifact artifact) const;

  std::vector<VersionHistory> GetHistory(size_t limit, uint64_t version) const;

  absl::Status Reload(Clock::time_point deadline);
  absl::Status Rollback(const std::string& who);
  absl::Status Pin(uint64_t version, Clock::time_point deadline, const std::string& who);
  absl::Status Unpin(const std::string& who);

  absl::Status Approve(uint64_t version, Clock::time_point deadline, const std::string& who);
  absl::Status Reject(uint64_t version, const std::string& reason, const std::string& who);
  absl::StatusOr<GateReport> GetGateReport(uint64_t version) const;

 private:
  using Lock = std::unique_lock<std::mutex>;

  // Outcome of a lever that someone may wait for.
  struct Ticket {
    bool done = false;
    absl::Status status;
  };
  using TicketPtr = std::shared_ptr<Ticket>;
  // A version that an operator wants to serve.
  struct PinRequest {
    uint64_t version = 0;
    TicketPtr ticket;
    bool pins = true;  // false: it was held and is approved
    std::string who{};
  };
  // Of the version that began to serve last, or of the canary.
  struct Watch {
    uint64_t version = 0;
    uint64_t before = 0;  // what it is compared with: the previous one, or the one that serves
    bool of_canary = false;
    Clock::time_point begin{};
    uint64_t since_unix_us = 0;
    Clock::time_point next_look{};
    LiveCounts counted_at_begin{};  // of `version`: it may have served before
    LiveCounts counted_before{};    // of `before`, then
    bool counted_enough = true;     // requests, when they were last looked at
    uint64_t last_request = 0;      // RecentRequests::last when it began
    size_t replayed_count = 0;      // requests in the last comparison
    size_t next_replay_count = 0;
    bool failing = false;  // and serving on
    Clock::time_point next_complaint{};
  };
  struct PollJob {
    uint64_t pinned_version = 0;
    std::string known_sha256{};                 // of the newest version when it was last polled
    std::vector<uint64_t> rejected_versions{};  // whose fingerprint is to be compared
    bool only_with_changes = false;  // of a catalogue: asked for when the weights changed
  };
  struct PollResult {
    absl::StatusOr<Manifest> manifest;
    std::string fingerprint{};                        // see RolloutInput
    std::optional<std::vector<uint64_t>> versions{};  // when they were listed
  };

  // All private methods but those that take a Lock are called with the mutex held.

  // The loader's thread.
  void Run();
  void StartNextWork();
  Clock::time_point NextWakeUp() const;

  // What needs the mutex to be free: listener, saving, removing files. False when there was nothing
  // to do.
  bool DoChores(Lock& lock);
  bool DeliverEvents(Lock& lock);
  bool SaveState(Lock& lock);
  bool SaveHistory(Lock& lock);
  bool RemoveFiles(Lock& lock);

  void StartPoll();
  static PollJob MakePollJob(const CacheState& state, const std::optional<Manifest>& newest);
  PollResult Poll(Source& source, const PollJob& job) const;  // on the worker, without the mutex
  void OnPolled(const PollResult& weights, const PollResult& catalogue);
  void StartPreparing(uint64_t version, bool operator_asked, bool reload);
  std::string PartnerOf(Artifact artifact) const;  // for Rejection
  PrepareJob MakeJob(Artifact artifact, uint64_t version) const;
  void StartWorkOn(PrepareJob job, void (Impl::*done)(uint64_t version, const Prepared& prepared));
  void OnPrepared(uint64_t version, const Prepared& prepared);
  void StartRestoringPrevious();

  // The same for the catalogue, behind the weights; see docs/decisions/0032.
  bool SkipsCatalogue();
  void OnCataloguePolled(const PollResult& result, bool reload);
  bool TakesCatalogueNext();
  void StartPreparingCatalogue();
  void OnCataloguePrepared(uint64_t version, const Prepared& prepared);
  void RecordCatalogueRejection(Rejection rejection);
  void RecordCatalogueFailure(std::string_view step, uint64_t version, const absl::Status& status);
  std::vector<CatalogueChoice> OtherCatalogues(bool operator_asked, bool reload) const;

  // Start: the first cached version that opens serves, with the first catalogue that fits it.
  void ServeFromCache();
  std::shared_ptr<const Snapshot> WithCachedCatalogue(std::shared_ptr<const Snapshot> weights,
                                                      bool had_none);

  CacheState& StateOf(Artifact artifact) {
    return artifact == Artifact::kWeights ? state_.weights : state_.catalogue;
  }
  const CacheState& StateOf(Artifact artifact) const {
    return artifact == Artifact::kWeights ? state_.weights : state_.catalogue;
  }
  void KeepInCache(Artifact artifact, const Prepared& prepared);
  void Forget(Artifact artifact, uint64_t version);
  bool IsWanted(uint64_t version) const;
  std::string WhoWants(uint64_t version) const;  // for the history
  void Publish(const std::shared_ptr<const Snapshot>& snapshot, const std::string& who);
  void ExchangeWithPrevious(const std::string& who, const std::string& why);
  void SetPinned(uint64_t version, const std::string& who);
  void RemoveOldVersions();
  void RecordRejection(Rejection rejection, const std::string& who = "");  // "": its gate
  void RecordGates(const Prepared& prepared);
  void CountGate(std::string_view gate, std::string_view result);
  absl::Status OnHeld(const Prepared& prepared);  // what who waits for it is told
  void EndHold(uint64_t version);                 // that serves from now on
  void SupersedeHold(uint64_t version);
  absl::Status CheckHeld(uint64_t version) const;
  bool HasEnoughRequests() const;

  // Brings what passed its gates to the requests, to all of them or first to a share.
  void RollOut(const std::shared_ptr<const Snapshot>& snapshot, const std::string& who);
  bool HasCanary() const { return state_.weights.canary_version != 0; }
  void StartCanary(const std::shared_ptr<const Snapshot>& snapshot);
  void PublishDueCanary();
  void PublishCanary(const std::string& who);
  void SettleCanary(const Snapshot& snapshot, const std::string& who);
  void StopCanary(std::string_view reason, std::string detail, const std::string& who);
  void ForgetCanary();
  void ApproveCanary(Lock& lock, const std::string& who);
  void RollBackCanary(const std::string& who);
  // Ends the canary and rejects it for what `gate` found. False, and nothing happens, when
  // `version` is not the canary.
  bool EndCanary(uint64_t version, std::string_view gate, std::string detail,
                 const std::string& who = "");
  void RecordFailure(std::string_view step, uint64_t version, const absl::Status& status);

  // After a swap of the weights; see docs/decisions/0057.
  void StartWatch();
  std::shared_ptr<const Snapshot> WatchedSnapshot() const;
  std::shared_ptr<const Snapshot> SnapshotBefore() const;
  bool WatchStands();
  void LookAtWatch();
  GateReport JudgeWatchedCounts(Clock::time_point now) const;
  bool Replays() const;
  bool WantsReplay();
  void StartReplay();
  void EndWatch();
  void FailWatch(GateReport report);
  void Complain(const GateReport& report);

  void RecordSuccess();
  void RecordDelta(uint64_t version, const DeltaReport& report);

  void Changed();  // the state must be saved
  void Emit(LoaderEvent::Kind kind, uint64_t version, std::string_view reason, std::string detail,
            Artifact artifact = Artifact::kWeights, const std::string& who = kServer);

  // For the history; Emit notes what it concerns, too.
  static constexpr char kServer[] = "server";
  static std::string GateOf(std::string_view name);
  void Note(Artifact artifact, uint64_t version, HistoryStep step, const std::string& who,
            std::string why, uint64_t unix_us = UnixMicros());
  void NoteEvent(const LoaderEvent& event);
  void NotePublished(Artifact artifact, const Manifest& manifest);
  void NotePrepared(Artifact artifact, uint64_t version, const Prepared& prepared);
  void NoteStop();
  void Finish(const TicketPtr& ticket, const absl::Status& status);
  void FinishReloads(const absl::Status& status);
  void FinishReloadsUnlessCatalogueIsNext(const absl::Status& status);
  void FinishPin(uint64_t version, const absl::Status& status);
  absl::Status Await(Lock& lock, const TicketPtr& ticket, Clock::time_point deadline);
  void AwaitSaved(Lock& lock, Clock::duration patience);

  const LoaderOptions options_;
  const std::unique_ptr<Source> source_;
  const std::unique_ptr<Source> catalogues_;  // null: the model has none
  const EventListener listener_;
  std::optional<Cache> cache_;
  std::optional<HistoryFile> history_file_;  // of the loader's thread
  ModelSlot slot_;
  Cleaner cleaner_{slot_};
  std::atomic<LoadState> progress_ = LoadState::kIdle;

  mutable std::mutex mutex_;         // guards everything below but the threads
  std::condition_variable wake_;     // for the loader's thread
  std::condition_variable settled_;  // for who waits for a ticket or a save
  bool stopping_ = false;
  ModelState state_;
  uint64_t changes_count_ = 0;  // of state_
  uint64_t saved_changes_count_ = 0;
  Clock::time_point next_save_;
  std::optional<Manifest> newest_;
  std::optional<Manifest> newest_catalogue_;
  uint64_t wanted_catalogue_version_ = 0;  // to be prepared as soon as the worker is free
  std::string catalogue_error_;
  uint32_t catalogue_absent_polls_count_ = 0;  // since a poll asked in vain; 0: it did not
  std::vector<uint64_t> available_versions_;   // in the source, newest first
  std::vector<uint64_t> available_catalogue_versions_;
  Clock::time_point next_poll_;
  Backoff backoff_;
  bool failing_ = false;
  std::string last_error_;
  uint64_t poll_failures_count_ = 0;
  std::array<uint64_t, kDeltaOutcomesCount> delta_fetches_{};
  uint64_t loading_version_ = 0;
  uint64_t loading_catalogue_version_ = 0;
  uint64_t swaps_count_ = 0;
  uint64_t serving_since_unix_us_ = 0;
  bool restore_previous_ = false;
  History history_;
  std::vector<HistoryEvent> unsaved_history_;
  Clock::time_point next_history_save_;
  bool history_failing_ = false;
  std::vector<std::pair<Artifact, uint64_t>> removals_;
  std::vector<LoaderEvent> events_;
  std::map<std::pair<std::string, std::string>, uint64_t> gate_results_;  // by gate and result
  std::optional<GateReport> last_report_;
  Clock::time_point canary_ends_;  // with a canary
  uint64_t canary_since_unix_us_ = 0;
  std::optional<Watch> watch_;
  uint64_t failing_watch_version_ = 0;
  uint64_t automatic_rollbacks_count_ = 0;
  std::vector<TicketPtr> reloads_asked_;
  std::vector<TicketPtr> reloads_underway_;
  std::optional<PinRequest> pin_request_;

  std::mutex stop_mutex_;  // one Stop at a time; locked before mutex_
  std::unique_ptr<LowPriorityWorker> worker_;
  std::thread thread_;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_MODEL_LOADER_IMPL_H_
