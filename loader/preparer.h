// The long way of one version, from the source to a snapshot that may serve: fetch, verify, gates,
// warm, fold.
#ifndef FMSERVE_LOADER_PREPARER_H_
#define FMSERVE_LOADER_PREPARER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/cache.h"
#include "loader/delta_fetch.h"
#include "loader/fetch.h"
#include "loader/model_loader.h"
#include "loader/source.h"
#include "model/atomic_file.h"
#include "model/checkpoint.h"

namespace fmserve::loader {

// A published or cached catalogue.
struct CatalogueChoice {
  Manifest manifest;
  bool cached = false;
};

struct PrepareJob {
  Artifact artifact = Artifact::kWeights;
  Manifest manifest;  // size and SHA-256 empty when a version is pinned that the source's manifest
                      // does not name
  bool cached = false;  // a good copy lies in the cache
  bool operator_asked = false;
  // Its catalogue is folded with new weights, its weights with a new catalogue. May be null, but
  // not for a catalogue.
  std::shared_ptr<const Snapshot> serving{};
  // For new weights that the serving catalogue does not fit: what to try instead, in order.
  std::vector<CatalogueChoice> other_catalogues{};
  std::string partner{};         // for Rejection
  std::string serving_sha256{};  // of the weights that serve; "": unknown
};

struct Prepared {
  // kHeld: of weights; good, but for what holds them, and in the cache as what is ready.
  enum class Outcome : uint8_t { kReady, kRejected, kFailed, kHeld };

  Outcome outcome = Outcome::kFailed;
  std::shared_ptr<const Snapshot>
      snapshot{};                             // kReady: in the cache under its final name, and warm
  Manifest manifest{};                        // kReady, kHeld: with size and SHA-256
  std::optional<Manifest> other_catalogue{};  // kReady: the one that was taken, in the cache, too
  std::string_view held_by{};                 // kHeld: kShadowGate or kRolloutGate, and why
  std::string held_why{};
  Rejection rejection{};         // kRejected: the content is to blame
  absl::Status failure{};        // kFailed: for a passing reason; or what a checkpoint said
  uint64_t fetched_unix_us = 0;  // 0: it came from the cache, or did not come
  std::vector<std::string_view> gates_passed{};
  std::optional<GateReport> report{};  // when the shadow gate was asked
  std::optional<DeltaReport> delta{};  // when the manifest had deltas and the file was fetched
};

// One thread. Touches nothing that serves.
class Preparer {
 public:
  using Progress = std::function<void(LoadState)>;

  // All outlive the preparer. `catalogues` may be null when no catalogue is asked for.
  Preparer(const LoaderOptions& options, Source& weights, Source* catalogues, const Cache& cache)
      : options_(options), weights_(weights), catalogues_(catalogues), cache_(cache) {}

  Prepared Run(const PrepareJob& job, model::Checkpoint checkpoint, const Progress& progress);

 private:
  Prepared FetchAndVerify(const PrepareJob& job, model::Checkpoint checkpoint,
                          const Progress& progress);
  FetchJob FetchJobOf(const PrepareJob& job) const;
  Prepared FetchWhole(const PrepareJob& job, model::Checkpoint checkpoint,
                      const Progress& progress);
  Prepared Keep(const PrepareJob& fetched, const std::string& fingerprint, model::AtomicFile& file,
                model::Checkpoint checkpoint, const Progress& progress);
  Prepared Verify(const PrepareJob& job, const std::string& path, const std::string& fingerprint,
                  model::Checkpoint checkpoint, const Progress& progress);
  Prepared VerifyWeights(const PrepareJob& job, const std::string& path,
                         const std::string& fingerprint, model::Checkpoint checkpoint,
                         const Progress& progress);
  Prepared WarmAndFold(const PrepareJob& job, const std::string& fingerprint,
                       const std::shared_ptr<Snapshot>& snapshot, model::Checkpoint checkpoint,
                       const Progress& progress);
  Prepared VerifyCatalogue(const PrepareJob& job, const std::string& path,
                           const std::string& fingerprint, model::Checkpoint checkpoint,
                           const Progress& progress) const;
  Prepared RunShadowGate(const PrepareJob& job, Prepared ready, model::Checkpoint checkpoint) const;
  Prepared HoldIfManual(const PrepareJob& job, Prepared judged) const;
  Prepared ReadyUnlessTooLarge(const PrepareJob& job, const std::string& fingerprint,
                               std::shared_ptr<const Snapshot> folded) const;
  Prepared FoldWithWeights(const PrepareJob& job, const std::string& fingerprint,
                           const std::shared_ptr<const Snapshot>& weights,
                           model::Checkpoint checkpoint, const Progress& progress);

  const LoaderOptions& options_;
  Source& weights_;
  Source* const catalogues_;
  const Cache& cache_;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_PREPARER_H_
