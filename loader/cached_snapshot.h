// Snapshots of what lies in a cache, for restarts: without gates that compare with other versions,
// which are behind it.
#ifndef FMSERVE_LOADER_CACHED_SNAPSHOT_H_
#define FMSERVE_LOADER_CACHED_SNAPSHOT_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/cache.h"
#include "loader/model_loader.h"
#include "loader/snapshot.h"
#include "model/checkpoint.h"

namespace fmserve::loader {

// Opens a cached version, checks that it is the one it is taken for, and warms it.
absl::StatusOr<std::shared_ptr<const Snapshot>> OpenCachedWeights(const LoaderOptions& options,
                                                                  const Cache& cache,
                                                                  uint64_t version,
                                                                  model::Checkpoint checkpoint);

// The same of a catalogue.
absl::StatusOr<std::shared_ptr<const model::CatalogueFile>> OpenCachedCatalogue(
    const LoaderOptions& options, const Cache& cache, uint64_t version,
    model::Checkpoint checkpoint);

// `weights` with a catalogue. The error IsMisfit when they cannot be folded, now or later.
absl::StatusOr<std::shared_ptr<const Snapshot>> FoldSnapshot(
    const LoaderOptions& options, const Snapshot& weights,
    std::shared_ptr<const model::CatalogueFile> catalogue, model::Checkpoint checkpoint);

bool IsMisfit(const absl::Status& status);

// Versions that belong together; a catalogue of 0 is none.
struct VersionPair {
  uint64_t weights = 0;
  uint64_t catalogue = 0;

  bool operator==(const VersionPair&) const = default;
};

// A cached pair. What `serving` has of it is shared, not opened again.
absl::StatusOr<std::shared_ptr<const Snapshot>> OpenCachedPair(const LoaderOptions& options,
                                                               const Cache& cache,
                                                               const Snapshot& serving,
                                                               VersionPair versions,
                                                               model::Checkpoint checkpoint);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_CACHED_SNAPSHOT_H_
