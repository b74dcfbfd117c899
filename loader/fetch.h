// Brings a published file into the cache, and goes on where the last attempt broke off.
#ifndef FMSERVE_LOADER_FETCH_H_
#define FMSERVE_LOADER_FETCH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "loader/cache.h"
#include "loader/manifest.h"
#include "loader/source.h"
#include "model/atomic_file.h"
#include "model/checkpoint.h"

namespace fmserve::loader {

struct FetchJob {
  Artifact artifact = Artifact::kWeights;
  Manifest manifest;         // size and SHA-256 empty when nobody tells
  uint64_t max_bytes = 0;    // of a file whose size nobody tells
  uint64_t bytes_per_s = 0;  // 0: as fast as they come
};

struct Fetched {
  enum class Outcome : uint8_t { kWhole, kRejected, kFailed };

  Outcome outcome = Outcome::kFailed;
  std::string fingerprint{};  // Source::Fingerprint before it was fetched
  // kWhole: all of it lies under temporary_path(), not committed yet; with size and SHA-256.
  std::optional<model::AtomicFile> file{};
  Manifest manifest{};
  std::string_view gate{};  // kRejected, as in Rejection
  std::string detail{};
  absl::Status failure{};  // kFailed: for a passing reason; or what a checkpoint said
};

// Whether an error speaks of the content, so that trying again is in vain.
bool BlamesContent(const absl::Status& status);

// Fetches, hashing on the way. What a passing failure leaves stays in the cache as a partial file
// (Cache::PartialPath) for the next attempt, also after a restart, as long as the store has that
// very file; but for a full disk, which gets its room back. ResourceExhausted, before the first
// byte, when the file is going to find no room.
Fetched Fetch(Source& source, const Cache& cache, const FetchJob& job,
              model::Checkpoint checkpoint);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_FETCH_H_
