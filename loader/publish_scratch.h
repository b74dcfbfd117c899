// Where a publisher whose store is no folder makes a delta.
#ifndef FMSERVE_LOADER_PUBLISH_SCRATCH_H_
#define FMSERVE_LOADER_PUBLISH_SCRATCH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/cache.h"
#include "loader/manifest.h"
#include "loader/scratch_folder.h"
#include "loader/source.h"
#include "model/atomic_file.h"
#include "model/checkpoint.h"

namespace fmserve::loader {

// Holds weight files under the names that they have in a store (WeightFileName), until it is
// destroyed: a copy of the one that is published, and the base of its delta. One thread.
class PublishScratch {
 public:
  // In TemporaryFolder(). `size_bytes` of `version` will follow, and `base_bytes` of another one,
  // or 0. ResourceExhausted when there is no room for both and a delta.
  static absl::StatusOr<std::unique_ptr<PublishScratch>> Create(uint64_t version,
                                                                uint64_t size_bytes,
                                                                uint64_t base_bytes);

  // Of the file that is published, from its beginning; Finish when all is there.
  absl::Status Append(std::span<const std::byte> bytes) { return copy_.Append(bytes); }
  absl::Status Finish() { return copy_.Commit(); }

  // Returns the path. DataLoss when the store does not have what the manifest says.
  absl::StatusOr<std::string> FetchBase(Source& source, const Manifest& manifest,
                                        model::Checkpoint checkpoint);

  const std::string& folder() const { return folder_.path(); }

 private:
  PublishScratch(ScratchFolder folder, Cache cache, model::AtomicFile copy)
      : folder_(std::move(folder)), cache_(std::move(cache)), copy_(std::move(copy)) {}

  ScratchFolder folder_;  // first: it goes when the others have
  Cache cache_;
  model::AtomicFile copy_;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_PUBLISH_SCRATCH_H_
