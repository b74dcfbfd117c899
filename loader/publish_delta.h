// The delta that a publisher leaves beside a version, so that servers fetch what changed.
#ifndef FMSERVE_LOADER_PUBLISH_DELTA_H_
#define FMSERVE_LOADER_PUBLISH_DELTA_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "loader/manifest.h"
#include "model/checkpoint.h"

namespace fmserve::loader {

// A delta is published only when it has less than this share of the bytes of the file.
inline constexpr double kMostDeltaShare = 0.5;

// Writes the delta from the weight file `base` to that of manifest.version in `folder`, into that
// folder. Nothing when it is not worth it, or the rows are of another layout. `base` is a file as
// servers have it: published, with its version in the header; it must have the SHA-256
// `expected_sha256` unless that is "": DataLoss otherwise.
absl::StatusOr<std::optional<ManifestDelta>> WritePublishedDelta(const std::string& base,
                                                                 const std::string& expected_sha256,
                                                                 const std::string& folder,
                                                                 const Manifest& manifest,
                                                                 model::Checkpoint checkpoint);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_PUBLISH_DELTA_H_
