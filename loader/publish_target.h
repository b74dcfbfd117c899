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

namespace fmserve::loader {

// Claim, then Append until all is there, then Commit. Destroyed before Commit has said ok it has
// published nothing, and frees what it took as far as it can. One thread.
class PublishTarget {
 public:
  virtual ~PublishTarget() = default;

  // The number of the new version, above all that the store holds or names. Nobody else gets it,
  // whatever becomes of this one. `size_bytes` of the file will follow.
  virtual absl::StatusOr<uint64_t> Claim(uint64_t size_bytes) = 0;

  virtual absl::Status Append(std::span<const std::byte> bytes) = 0;

  // The file gets its name, and then the manifest names it: unless a higher version was published
  // meanwhile (Aborted). `manifest` is of the version that was claimed.
  virtual absl::Status Commit(const Manifest& manifest) = 0;
};

absl::StatusOr<std::unique_ptr<PublishTarget>> OpenTarget(const PublishOptions& options,
                                                          Artifact artifact);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_PUBLISH_TARGET_H_
