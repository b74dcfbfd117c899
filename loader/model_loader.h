// Brings published versions of one model into its slot: watches the source, fetches into the cache,
// verifies, gates, warms and publishes, weights as well as catalogues. One background thread, one
// state machine; nothing that goes wrong here touches what serves.
#ifndef FMSERVE_LOADER_MODEL_LOADER_H_
#define FMSERVE_LOADER_MODEL_LOADER_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/delta_fetch.h"
#include "loader/gate.h"
#include "loader/gate_report.h"
#include "loader/history.h"
#include "loader/model_slot.h"
#include "loader/shadow_gate.h"
#include "loader/source.h"
#include "loader/watch.h"
#include "model/checkpoint.h"
#include "model/item_table.h"
#include "model/kernels/kernels.h"

namespace fmserve::loader {

// Recent requests of the model, kept and counted by whoever serves it. They are numbered from 1 in
// the order in which they came; `after` leaves out those up to that number. All functions are safe
// from any thread.
struct RecentRequests {
  // What both versions make of them; an error is one of the checkpoint. Null: there are none to ask
  // for, and the shadow gate is left out.
  std::function<absl::StatusOr<Comparison>(const Snapshot& serving, const Snapshot& candidate,
                                           uint64_t after, model::Checkpoint)>
      compare{};
  std::function<size_t(uint64_t after)> count{};  // null with `compare`, as the next
  std::function<uint64_t()> last{};               // the number of the latest one

  // All that a version has answered since the start, kept or not. Null: nobody counts.
  std::function<LiveCounts(uint64_t version)> counted{};
};

// How a version that passed its gates comes to serve. The first version of a model, and what an
// operator names, serve at once.
enum class RolloutMode : uint8_t {
  kImmediate,
  kCanary,  // it answers a share of the requests first, then all
  kManual,  // it is held until an operator approves it
};

struct RolloutOptions {
  RolloutMode mode = RolloutMode::kImmediate;
  double canary_percent = 5.0;                    // of the requests; above 0, to 50
  std::chrono::milliseconds canary_time{600000};  // until it answers all
};

struct LoaderOptions {
  std::string model;
  std::string cache_dir;                          // of this model alone
  std::chrono::milliseconds poll_interval{5000};  // spread by +-10 %
  // Of so many polls one asks for a catalogue that was not there the last time; and so does each
  // that finds new weights, or that an operator asked for.
  uint32_t polls_per_absent_catalogue = 1;
  uint32_t cached_versions = 3;    // good versions kept of weights, and of catalogues, serving and
                                   // previous included; at least 2
  uint64_t fetch_bytes_per_s = 0;  // 0: as fast as they come
  GateOptions gates;
  ShadowGateOptions shadow{};
  WatchOptions watch{};
  RecentRequests requests{};
  RolloutOptions rollout{};
  const model::KernelTable* kernels = nullptr;                 // required
  model::ItemVectors item_vectors = model::ItemVectors::kF32;  // of catalogues that are folded
};

enum class LoadState : uint8_t { kIdle, kFetching, kVerifying, kWarming, kRetrying };
enum class VersionState : uint8_t {
  kServing,
  kPrevious,
  kCached,
  kRejected,
  kAvailable,
  kHeld,
  kCanary
};

// How often a gate said so, since the start.
struct GateResultCount {
  std::string gate;
  std::string result;  // "passed", "rejected"; of the shadow gate also "held", "too_few_requests";
                       // of gate "rollout" "held"; of gate "operator" also "approved"
  uint64_t count = 0;
};

inline constexpr size_t kMaxReasonBytes = 1000;

struct ModelStatus {
  std::string model;
  uint64_t serving_version = 0;  // 0: none
  uint64_t previous_version = 0;
  uint64_t pinned_version = 0;
  LoadState load_state = LoadState::kIdle;
  uint64_t loading_version = 0;
  std::string last_error;              // of the last poll, fetch or gate; empty when it went well
  uint64_t serving_since_unix_us = 0;  // the pair of weights and catalogue
  uint64_t published_unix_us = 0;      // of the serving version; 0 when unknown
  uint64_t snapshot_bytes = 0;         // in memory, all snapshots of the slot
  uint64_t huge_page_bytes = 0;        // of these, what lies on 2 MB pages
  uint64_t swaps_count = 0;
  uint64_t poll_failures_count = 0;  // polls and fetches that failed for a passing reason
  std::array<uint64_t, kDeltaOutcomesCount> delta_fetches{};  // by DeltaOutcome
  uint64_t catalogue_version = 0;                             // that serves; 0: none
  uint64_t previous_catalogue_version = 0;
  uint64_t loading_catalogue_version = 0;
  uint64_t catalogue_published_unix_us = 0;  // as published_unix_us
  uint64_t catalogue_items_count = 0;
  uint64_t catalogue_bytes = 0;  // of snapshot_bytes: its file, and folded with the weights
  std::string catalogue_error;   // as last_error
  uint64_t held_version = 0;     // 0: none
  uint64_t canary_version = 0;   // 0: none
  double canary_percent = 0.0;   // of the requests that it answers; 0 without one
  uint64_t canary_since_unix_us = 0;
  uint64_t watched_version = 0;  // 0: none; else the one that serves
  uint64_t watched_since_unix_us = 0;
  bool watch_is_failing = false;  // of the version that serves, which stays all the same
  uint64_t automatic_rollbacks_count = 0;
  std::vector<GateResultCount> gate_results{};
};

struct VersionStatus {
  uint64_t version = 0;
  VersionState state = VersionState::kAvailable;
  std::string reason{};  // of a rejection or a hold; of a canary: its share
  uint64_t size_bytes = 0;
  uint64_t published_unix_us = 0;
  std::string sha256{};
};

// Something that happened, for logs and metrics.
struct LoaderEvent {
  enum class Kind : uint8_t {
    kPublished,
    kRejected,
    kRolledBack,
    kPinned,
    kUnpinned,
    kFailed,
    kRecovered,
    kHeld,         // by the shadow gate, or because the rollout is manual: it waits for an operator
    kApproved,     // by an operator; it is published next
    kDeltaFailed,  // the whole file was fetched instead
    kCanaryStarted,  // it is published or rejected next, unless it ends
    kCanaryEnded,    // for a reason that is not its own: "superseded", "rollback", "pin" …
    kWatchPassed,    // it has served for the whole window, and nothing was wrong
    kWatchFailed     // something is, but it stays
  };
  Kind kind = Kind::kPublished;
  std::string model;
  uint64_t version = 0;
  std::string reason;  // rejection or failure: the name of the gate or step, e.g. "golden",
                       // "checksum", "fetch"
  std::string detail;  // the whole sentence
  Artifact artifact = Artifact::kWeights;  // whose version
  std::string who{};                       // as HistoryEvent::who
};

// Of a lever, when nobody says who pulls it.
inline constexpr char kSomeOperator[] = "operator";

// All public methods are safe from any thread.
class ModelLoader {
 public:
  using Clock = std::chrono::steady_clock;
  using EventListener = std::function<void(const LoaderEvent&)>;

  // `listener` is called on the loader's thread or on that of an operator's call, one at a time,
  // and must not call back. `catalogues` may be null, and may hold nothing: the model has none.
  ModelLoader(LoaderOptions options, std::unique_ptr<Source> source, EventListener listener,
              std::unique_ptr<Source> catalogues = nullptr);
  ~ModelLoader();  // Stop(), and waits for what it left

  // Serves the last good version of the cache, if there is one, before it returns; then watches the
  // source in the background. Fails only when the cache folder cannot be used.
  absl::Status Start();

  // Ends the loading, also in the middle of a fetch, and saves the state. The slot keeps serving.
  // Does not wait for a read that hangs in the store.
  void Stop();

  const ModelSlot& slot() const;
  ModelStatus GetStatus() const;

  // What the cache, the rejections and, as far as it answers, the source hold; newest first.
  std::vector<VersionStatus> ListVersions(Artifact artifact = Artifact::kWeights) const;

  // What happened to each version, also before a restart: the highest versions first, at most
  // `limit` of them; or to `version` alone, unless that is 0.
  std::vector<VersionHistory> GetHistory(size_t limit, uint64_t version = 0) const;

  // Levers; each returns when it is done, at the latest at `deadline` (DeadlineExceeded; the work
  // then goes on). A rollback exchanges weights and catalogue together, or ends the canary when
  // there is one; a pin is of weights. `who` pulls it, for log and history.
  absl::Status Reload(Clock::time_point deadline);
  absl::Status Rollback(const std::string& who = kSomeOperator);
  absl::Status Pin(uint64_t version, Clock::time_point deadline,
                   const std::string& who = kSomeOperator);
  absl::Status Unpin(const std::string& who = kSomeOperator);

  // Of a version that is held, or is the canary: serves it to all, past what holds it; or rejects
  // it, for a reason of 1 to kMaxReasonBytes.
  absl::Status Approve(uint64_t version, Clock::time_point deadline,
                       const std::string& who = kSomeOperator);
  absl::Status Reject(uint64_t version, const std::string& reason,
                      const std::string& who = kSomeOperator);

  // Of the version that is held or was judged last (`version` 0), or of that version; NotFound when
  // there is no such report.
  absl::StatusOr<GateReport> GetGateReport(uint64_t version) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_MODEL_LOADER_H_
