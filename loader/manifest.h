// The small file that says which version is the newest. It is written last, so whoever sees it can
// have everything that it names.
#ifndef FMSERVE_LOADER_MANIFEST_H_
#define FMSERVE_LOADER_MANIFEST_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fmserve::loader {

// What is published for a model, each in a line of versions of its own with a manifest of its own.
enum class Artifact : uint8_t { kWeights, kCatalogue };

// For logs and metrics: "weights", "catalogue".
constexpr const char* ArtifactName(Artifact artifact) {
  return artifact == Artifact::kWeights ? "weights" : "catalogue";
}

// A delta (model/DELTA_FORMAT.md) that lies beside the file of a version.
struct ManifestDelta {
  uint64_t base_version = 0;  // what it is for, by number …
  std::string base_sha256{};  // … and, which is what counts, by SHA-256
  uint64_t size_bytes = 0;
  std::string sha256{};  // of the delta
  std::string file{};    // DeltaFileName

  bool operator==(const ManifestDelta&) const = default;
};

inline constexpr size_t kMaxManifestDeltas = 8;

struct Manifest {
  std::string model{};
  uint64_t version = 0;  // 1 to 10^18
  uint64_t size_bytes = 0;
  std::string sha256{};  // of the whole file, 64 lower-case hexadecimal digits
  uint64_t published_unix_us = 0;
  std::vector<ManifestDelta> deltas{};  // at most kMaxManifestDeltas; of weights

  bool operator==(const Manifest&) const = default;
};

inline constexpr size_t kMaxManifestBytes = 64 << 10;
inline constexpr uint64_t kMaxVersion = 1'000'000'000'000'000'000;
inline constexpr char kManifestFileName[] = "CURRENT";  // in StoreFolder

// One JSON object: {"model", "version", "size_bytes", "sha256", "published"} with `published` in
// RFC 3339 UTC, and, when there are any, {"deltas": [{"base_version", "base_sha256", "size_bytes",
// "sha256", "file"}]}. Parse: InvalidArgument names the key; unknown keys are ignored, so that
// later servers may add some.
std::string SerializeManifest(const Manifest& manifest);
absl::StatusOr<Manifest> ParseManifest(std::string_view text);

// Where a store keeps the versions: <store>/<model>, and <store>/<model>/catalogue. Relative:
// without <store>/.
std::string RelativeStoreFolder(const std::string& model, Artifact artifact);
std::string StoreFolder(const std::string& store, const std::string& model, Artifact artifact);

// Name of a version's file in a store and in a cache, <version>.fmw or <version>.fmc: zero-padded
// to 20 digits, so that names sort as versions do.
std::string FileName(Artifact artifact, uint64_t version);
inline std::string WeightFileName(uint64_t version) {
  return FileName(Artifact::kWeights, version);
}

// Where a publisher without locks says that the number is its own: <version>.claim.
std::string ClaimName(uint64_t version);

// The version of a file's name; nothing for any other name.
std::optional<uint64_t> ParseFileName(Artifact artifact, std::string_view name);

// Name of a delta's file in a store: <version>-from-<base version>.fmd, both padded as above.
std::string DeltaFileName(uint64_t base_version, uint64_t version);

// [A-Za-z0-9_.-], 1 to 63 bytes, not beginning with a dot: safe as a folder's name.
absl::Status CheckModelName(std::string_view name);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_MANIFEST_H_
