// What happened to each version of a model, when, by whom and why.
#ifndef FMSERVE_LOADER_HISTORY_H_
#define FMSERVE_LOADER_HISTORY_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loader/manifest.h"

namespace fmserve::loader {

enum class HistoryStep : uint8_t {
  kPublished,
  kFetched,
  kGated,  // passed its gates
  kHeld,
  kApproved,
  kRejected,
  kCanary,  // began to answer a share of the requests
  kCanaryEnded,
  kServed,  // began to answer all of them
  kEnded,   // no longer does
  kPinned,
  kUnpinned,
  kWatchPassed,
  kWatchFailed,
  kFailed,  // for a passing reason; it is tried again
};
inline constexpr size_t kHistoryStepsCount = 15;

// "published", "canary_ended" …: for files and people.
std::string_view Name(HistoryStep step);
std::optional<HistoryStep> HistoryStepOf(std::string_view name);

struct HistoryEvent {
  Artifact artifact = Artifact::kWeights;
  uint64_t version = 0;
  HistoryStep step = HistoryStep::kPublished;
  uint64_t unix_us = 0;
  // "publisher", "server", "gate NAME", "operator PEER".
  std::string who{};
  std::string why{};  // one sentence, or empty

  bool operator==(const HistoryEvent&) const = default;
};

// One version with all that is known of it, in the order in which the server came to know.
struct VersionHistory {
  Artifact artifact = Artifact::kWeights;
  uint64_t version = 0;
  std::vector<HistoryEvent> events{};
};

inline constexpr size_t kMaxHistoryEvents = 10000;  // older ones are forgotten
inline constexpr size_t kMaxHistoryWhoBytes = 200;  // the rest is cut off
inline constexpr size_t kMaxHistoryWhyBytes = 1000;

// The latest events, in memory. One thread at a time.
class History {
 public:
  // Events of before, oldest first, as a HistoryFile keeps them.
  explicit History(std::vector<HistoryEvent> events = {});

  // Returns the event as it is kept; nothing when it repeats what the version's last event says: a
  // store that is away for a night is one event, not a thousand.
  std::optional<HistoryEvent> Record(HistoryEvent event);

  // Whether an event says that this version was published.
  bool KnowsPublished(Artifact artifact, uint64_t version) const;

  // The highest versions first, weights before the catalogue of the same number; at most `limit`
  // of them. `version` 0: of all versions, else of that one.
  std::vector<VersionHistory> List(size_t limit, uint64_t version) const;

  // All of them, oldest first.
  std::vector<HistoryEvent> events() const { return {events_.begin(), events_.end()}; }

 private:
  const HistoryEvent* LastOf(Artifact artifact, uint64_t version) const;

  std::deque<HistoryEvent> events_;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_HISTORY_H_
