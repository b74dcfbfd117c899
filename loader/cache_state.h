// What a server remembers of a model across restarts, besides the files in its cache.
#ifndef FMSERVE_LOADER_CACHE_STATE_H_
#define FMSERVE_LOADER_CACHE_STATE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "loader/gate_report.h"
#include "loader/manifest.h"

namespace fmserve::loader {

// A version that must not be tried again until what was published under its number is something
// else.
struct Rejection {
  uint64_t version = 0;
  std::string sha256{};  // of the manifest that named it; empty when it was pinned without one
  std::string
      fingerprint{};   // Source::Fingerprint before it was fetched; empty when it was not fetched
  std::string gate{};  // "checksum", "structure", or the name of a gate
  std::string detail{};
  uint64_t size_bytes = 0;
  uint64_t published_unix_us = 0;
  // When it did not fit the other artifact: the versions of that one with which it was tried. With
  // others it may fit. Else empty.
  std::string partner{};

  bool operator==(const Rejection&) const = default;
};

// A version that waits in the cache for an operator: it passed every gate but the shadow gate, or
// all of them while each version needs an operator's approval.
struct Hold {
  Manifest manifest{};
  GateReport report{};  // of the shadow gate; its version is 0 when that was not asked
  uint64_t since_unix_us = 0;
  std::string gate{};  // that holds it: kShadowGate or kRolloutGate
  std::string why{};   // one sentence for an operator

  bool operator==(const Hold&) const = default;
};

// Of one artifact, weights or catalogue.
struct CacheState {
  uint64_t serving_version = 0;  // 0: none, here and below
  uint64_t previous_version = 0;
  uint64_t pinned_version = 0;
  uint64_t set_aside_version = 0;    // rolled back from: it does not come back on its own
  uint64_t rolled_back_version = 0;  // by the watch, and no version has passed it since
  std::map<uint64_t, Rejection> rejections{};
  std::map<uint64_t, Manifest>
      cached{};  // good versions whose files lie in the cache; `sha256` is empty when unknown
  std::optional<Hold> held{};  // of weights alone
  // That answers a share of the requests; of a catalogue: the one that is folded with it.
  uint64_t canary_version = 0;

  bool operator==(const CacheState&) const = default;
};

// Serving versions belong together, and so do previous ones.
struct ModelState {
  CacheState weights{};
  CacheState catalogue{};

  bool operator==(const ModelState&) const = default;
};

// Gates whose rejections stand for what was published, wherever its file came from.
inline constexpr char kShadowGate[] = "shadow";
inline constexpr char kRolloutGate[] = "rollout";
inline constexpr char kOperatorGate[] = "operator";
inline constexpr char kWatchGate[] = "watch";

inline constexpr size_t kMaxRejections = 100;  // older ones, by version, are forgotten
inline constexpr size_t kMaxCacheStateBytes = size_t{4} << 20;

// JSON; the catalogue's part may be missing. Parse: InvalidArgument names the key.
std::string SerializeModelState(const ModelState& state);
absl::StatusOr<ModelState> ParseModelState(std::string_view text);

// Adds or replaces; forgets the lowest versions beyond kMaxRejections.
void AddRejection(Rejection rejection, CacheState& state);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_CACHE_STATE_H_
