// Where published versions come from.
#ifndef FMSERVE_LOADER_SOURCE_H_
#define FMSERVE_LOADER_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/manifest.h"

namespace fmserve::loader {

// Takes the bytes of a file in order; an error ends the fetch and is returned by it.
using ByteSink = std::function<absl::Status(std::span<const std::byte>)>;

// The weights or the catalogues of one model of one store. Called by one thread, but for Cancel.
// Unavailable, DeadlineExceeded, NotFound and the like are passing failures, to be tried again;
// InvalidArgument and DataLoss speak of the content.
class Source {
 public:
  virtual ~Source() = default;

  // The manifest of the newest version: one small read.
  virtual absl::StatusOr<Manifest> Poll() = 0;

  // Streams the file of a version to `sink`, from byte `begin` on. Unavailable when it does not
  // have this `fingerprint` any more, also when it changes underway. OutOfRange when it ends before
  // `begin`.
  virtual absl::Status Fetch(uint64_t version, const std::string& fingerprint, uint64_t begin,
                             const ByteSink& sink) = 0;

  // Streams the delta of that name (ManifestDelta::file), which lies beside the files of the
  // versions. What arrives is what the manifest says only if its SHA-256 is.
  virtual absl::Status FetchDelta(const std::string& name, const ByteSink& sink) = 0;

  // Versions that the store holds, newest first, at most `limit`.
  virtual absl::StatusOr<std::vector<uint64_t>> ListVersions(size_t limit) = 0;

  // Something short that is another one when the file of this version is, without reading it (size
  // and times, ETag).
  virtual absl::StatusOr<std::string> Fingerprint(uint64_t version) = 0;

  // From any thread: the call underway and all later ones return Cancelled, as soon as they can.
  virtual void Cancel() = 0;

  // For messages: "directory /srv/models/ctr".
  virtual std::string Describe() const = 0;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_SOURCE_H_
