// Building a version from a delta and the weights that serve, instead of fetching it whole.
#ifndef FMSERVE_LOADER_DELTA_FETCH_H_
#define FMSERVE_LOADER_DELTA_FETCH_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "loader/cache.h"
#include "loader/fetch.h"
#include "loader/source.h"
#include "model/atomic_file.h"
#include "model/checkpoint.h"
#include "model/weight_file.h"

namespace fmserve::loader {

enum class DeltaOutcome : uint8_t {
  kApplied,
  kNoBase,       // no delta of the manifest is for what serves
  kFetchFailed,  // the store did not give the delta, or there was no room for it
  kMismatch,     // it is not what the manifest says, or does not make what it says
};
inline constexpr size_t kDeltaOutcomesCount = 4;

// For logs and metrics: "applied", "no_base", "fetch_failed", "mismatch".
std::string_view Name(DeltaOutcome outcome);

struct DeltaReport {
  DeltaOutcome outcome = DeltaOutcome::kNoBase;
  std::string detail{};  // why it was not applied
};

struct DeltaBuild {
  DeltaReport report;
  // kApplied: the whole file, flushed and not committed, whose size and SHA-256 are the manifest's.
  std::optional<model::AtomicFile> file{};
  absl::Status interrupted{};  // not OK: what `checkpoint` said; the rest means nothing
};

// What serves.
struct DeltaBase {
  const model::WeightFile* file = nullptr;  // null: nothing
  std::string sha256{};                     // "": unknown
};

// The job's manifest names a version of weights with size and SHA-256, and deltas. Writes beside
// where that version is to lie in the cache, if there is room for delta and result at once. What a
// fetch that broke off left there is removed when the version was built without it. One thread.
DeltaBuild BuildFromDelta(Source& source, const Cache& cache, const FetchJob& job,
                          const DeltaBase& base, model::Checkpoint checkpoint);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_DELTA_FETCH_H_
