// Where a publisher puts a new version. One implementation per kind of store.
#ifndef FMSERVE_LOADER_PUBLISH_TARGET_H_
#define FMSERVE_LOADER_PUBLISH_TARGET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/manifest.h"
#include "loader/publisher.h"
#include "model/checkpoint.h"

namespace fmserve::loader {

// Claim, then Append until all is there, Finish, AddDelta for weights, and Commit. Destroyed before
// Commit has said ok it has published nothing, and frees what it took as far as it can. One thread.
class PublishTarget {
 public:
  virtual ~PublishTarget() = default;

  // The number of the new version, above all that the store holds or names. Nobody else gets it,
  // whatever becomes of this one. `size_bytes` of the file will follow.
  virtual absl::StatusOr<uint64_t> Claim(uint64_t size_bytes) = 0;

  virtual absl::Status Append(std::span<const std::byte> bytes) = 0;

  // All is there: the file gets its name.
  virtual absl::Status Finish() = 0;

  // Leaves the delta to the finished file that the options ask for beside it, if it is worth it,
  // and names it in `manifest`, which is of the version that was claimed, with size and SHA-256. On
  // an error the version is as good without one.
  virtual absl::Status AddDelta(Manifest& manifest, model::Checkpoint checkpoint) = 0;

  // The manifest becomes the store's, unless a higher version was published meanwhile (Aborted).
  virtual absl::Status Commit(const Manifest& manifest) = 0;
};

absl::StatusOr<std::unique_ptr<PublishTarget>> OpenTarget(const PublishOptions& options,
                                                          Artifact artifact);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_PUBLISH_TARGET_H_
