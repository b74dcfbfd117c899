// Which version of an artifact should serve now, and why. Pure functions: no clock, no files, no
// threads.
#ifndef FMSERVE_LOADER_ROLLOUT_H_
#define FMSERVE_LOADER_ROLLOUT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loader/cache_state.h"
#include "loader/gate.h"
#include "loader/manifest.h"

namespace fmserve::loader {

struct RolloutInput {
  const CacheState* state = nullptr;
  const Manifest* newest = nullptr;  // of the source; null when it is not known
  std::string_view
      fingerprint{};  // of the file of the pinned or else the newest version; empty when not known
  std::string_view partner{};  // as in Rejection: what it would be tried with now
  bool reload = false;         // an operator asked to try again what was rejected or set aside
  uint64_t now_unix_us = 0;
  bool enough_requests = false;  // to judge by what was held because there were too few
};

struct RolloutDecision {
  enum class Action : uint8_t { kKeep, kLoad, kReject };

  Action action = Action::kKeep;
  uint64_t version = 0;   // to load or to reject
  std::string_view gate;  // of a rejection or a hold, also of one that stands: kKeep
  std::string why;        // one sentence for an operator
};

// A pin goes before everything, then the newest published version unless it was set aside,
// rejected, is held, or fails a gate that its manifest is enough for. A version that serves, to all
// or as the canary, is never loaded again: versions are immutable.
RolloutDecision DecideRollout(const GateOptions& gates, const RolloutInput& input);

// In which order to try cached versions after a restart: pinned, serving, previous, then the
// newest; behind them those that were rejected, the one that was set aside, the canary, and the one
// that is held.
std::vector<uint64_t> RestartOrder(const CacheState& state);

// The cached versions to remove so that at most `keep` stay: the oldest go, never the serving, the
// previous, the pinned, the held one or the canary.
std::vector<uint64_t> VersionsToRemove(const CacheState& state, size_t keep);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_ROLLOUT_H_
