// The long way of one version, from the source to a snapshot that may serve: fetch, verify, gates,
// warm.
#ifndef FMSERVE_LOADER_PREPARER_H_
#define FMSERVE_LOADER_PREPARER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/cache.h"
#include "loader/model_loader.h"
#include "loader/source.h"
#include "model/checkpoint.h"

namespace fmserve::loader {

struct PrepareJob {
  Manifest manifest;  // size and SHA-256 empty when a version is pinned that the source's manifest
                      // does not name
  bool cached = false;  // a good copy lies in the cache
  bool operator_asked = false;
  std::shared_ptr<const Snapshot> serving{};  // may be null
};

struct Prepared {
  enum class Outcome : uint8_t { kReady, kRejected, kFailed };

  Outcome outcome = Outcome::kFailed;
  std::shared_ptr<const Snapshot>
      snapshot{};          // kReady: in the cache under its final name, and warm
  Manifest manifest{};     // kReady: with size and SHA-256
  Rejection rejection{};   // kRejected: the content is to blame
  absl::Status failure{};  // kFailed: for a passing reason; or what a checkpoint said
};

// One thread. Touches nothing that serves.
class Preparer {
 public:
  using Progress = std::function<void(LoadState)>;

  // All outlive the preparer.
  Preparer(const LoaderOptions& options, Source& source, const Cache& cache)
      : options_(options), source_(source), cache_(cache) {}

  Prepared Run(const PrepareJob& job, model::Checkpoint checkpoint, const Progress& progress);

 private:
  Prepared Fetch(const PrepareJob& job, model::Checkpoint checkpoint, const Progress& progress);
  Prepared Verify(const PrepareJob& job, const std::string& path, const std::string& fingerprint,
                  model::Checkpoint checkpoint, const Progress& progress) const;

  const LoaderOptions& options_;
  Source& source_;
  const Cache& cache_;
};

// Opens a cached version, checks that it is the one it is taken for, and warms it. For restarts:
// gates that compare with other versions are behind it.
absl::StatusOr<std::shared_ptr<const Snapshot>> OpenCached(const LoaderOptions& options,
                                                           const Cache& cache, uint64_t version,
                                                           model::Checkpoint checkpoint);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_PREPARER_H_
