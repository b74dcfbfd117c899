#include "loader/publish_delta.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "loader/delta.h"
#include "model/weight_file.h"

namespace fmserve::loader {
namespace {

absl::StatusOr<uint64_t> PublishedVersion(const std::string& path, model::Checkpoint checkpoint) {
  const auto file = model::WeightFile::Open(path, checkpoint);
  if (!file.ok()) return file.status();
  const uint64_t version = (*file)->info().version;
  if (version != 0 && version <= kMaxVersion) return version;
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": was never published; name a file of the store, which servers have"));
}

}  // namespace

absl::StatusOr<std::optional<ManifestDelta>> WritePublishedDelta(const std::string& base,
                                                                 const std::string& expected_sha256,
                                                                 const std::string& folder,
                                                                 const Manifest& manifest,
                                                                 model::Checkpoint checkpoint) {
  const absl::StatusOr<uint64_t> base_version = PublishedVersion(base, checkpoint);
  if (!base_version.ok()) return base_version.status();
  ManifestDelta delta{.base_version = *base_version,
                      .file = DeltaFileName(*base_version, manifest.version)};
  const std::string path = absl::StrCat(folder, "/", delta.file);
  const absl::StatusOr<DeltaSummary> made = MakeDelta(
      base, absl::StrCat(folder, "/", WeightFileName(manifest.version)), path, checkpoint);
  if (absl::IsFailedPrecondition(made.status())) return std::nullopt;  // rows of another layout
  if (!made.ok()) return made.status();
  const bool worth_it = static_cast<double>(made->size_bytes) <
                        kMostDeltaShare * static_cast<double>(manifest.size_bytes);
  const bool is_expected = expected_sha256.empty() || made->base_sha256 == expected_sha256;
  if (!worth_it || !is_expected) unlink(path.c_str());
  if (!is_expected) {
    return absl::DataLossError(absl::StrCat(base, ": has the SHA-256 ", made->base_sha256,
                                            ", but was published with ", expected_sha256));
  }
  if (!worth_it) return std::nullopt;
  delta.base_sha256 = made->base_sha256;
  delta.size_bytes = made->size_bytes;
  delta.sha256 = made->sha256;
  return delta;
}

}  // namespace fmserve::loader
