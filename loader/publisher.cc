#include "loader/publisher.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "loader/directory_source.h"
#include "loader/file_util.h"
#include "loader/gate.h"
#include "loader/pacer.h"
#include "loader/publish_delta.h"
#include "loader/sha256.h"
#include "model/atomic_file.h"
#include "model/catalogue_file.h"
#include "model/checkpoint.h"
#include "model/weight_format.h"
#include "model/weight_writer.h"

namespace fmserve::loader {
namespace {

constexpr size_t kCopyBytes = model::kCheckpointBytes;
static_assert(kCopyBytes >= sizeof(model::format::FileHeader) +
                                model::format::kMaxSections * sizeof(model::format::SectionEntry),
              "StampHeader needs header and section table in one piece");
constexpr std::chrono::milliseconds kLockRetryInterval{20};

absl::Status CheckFit(const std::string& path, const PublishOptions& options,
                      const model::KernelTable& kernels, Pacer& pacer) {
  absl::StatusOr<std::shared_ptr<const model::WeightFile>> file =
      model::WeightFile::Open(path, [&pacer] { return pacer.Step(); });
  if (!file.ok()) return file.status();
  const Snapshot snapshot(*std::move(file), kernels);
  const GateOptions gates{.max_file_bytes = std::numeric_limits<uint64_t>::max(),
                          .golden_tolerance = options.golden_tolerance,
                          .allow_no_goldens = options.allow_no_goldens};
  const model::WeightInfo& info = snapshot.file().info();
  const GateResult result =
      RunGates(gates, {.model = info.model_name, .version = info.version, .candidate = &snapshot});
  if (result.passed) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, ": is not fit to serve: ", result.detail));
}

absl::StatusOr<FolderLock> AcquireLock(const std::string& folder,
                                       std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    absl::StatusOr<FolderLock> lock =
        FolderLock::TryAcquire(absl::StrCat(folder, "/.publish.lock"));
    if (!absl::IsUnavailable(lock.status()) || std::chrono::steady_clock::now() >= deadline)
      return lock;
    std::this_thread::sleep_for(kLockRetryInterval);
  }
}

absl::StatusOr<uint64_t> NextVersion(const PublishOptions& options, Artifact artifact) {
  DirectorySource source(options.store, options.model, artifact);
  uint64_t highest = 0;
  const absl::StatusOr<Manifest> manifest = source.Poll();
  if (manifest.ok()) highest = manifest->version;
  if (!manifest.ok() && !absl::IsNotFound(manifest.status())) return manifest.status();
  const absl::StatusOr<std::vector<uint64_t>> versions = source.ListVersions(1);
  if (!versions.ok()) return versions.status();
  if (!versions->empty()) highest = std::max(highest, versions->front());
  if (highest < kMaxVersion) return highest + 1;
  return absl::OutOfRangeError(
      absl::StrCat(source.Describe(), ": the version numbers are used up"));
}

absl::StatusOr<std::pair<int64_t, int64_t>> ModifiedTime(const FileDescriptor& file,
                                                         const std::string& path) {
  struct stat stat = {};
  if (fstat(file.get(), &stat) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot stat"));
  return std::pair<int64_t, int64_t>(stat.st_mtim.tv_sec, stat.st_mtim.tv_nsec);
}

// Copies `path` with the header of manifest.model and manifest.version; fills in size and SHA-256.
absl::Status CopyStamped(const std::string& path, model::AtomicFile& copy, Manifest& manifest,
                         Pacer& pacer) {
  const absl::StatusOr<FileDescriptor> file = OpenRegularFile(path);
  if (!file.ok()) return file.status();
  const auto before = ModifiedTime(*file, path);
  if (!before.ok()) return before.status();
  Sha256 hash;
  std::vector<std::byte> buffer(kCopyBytes);
  while (true) {
    const absl::StatusOr<size_t> count = ReadFull(*file, buffer, path);
    if (!count.ok()) return count.status();
    if (*count == 0) break;
    const std::span<std::byte> bytes = std::span(buffer).first(*count);
    if (manifest.size_bytes == 0) {
      const absl::Status status = model::StampHeader(bytes, manifest.model, manifest.version);
      if (!status.ok()) return status;
    }
    hash.Update(bytes);
    if (absl::Status status = copy.Append(bytes); !status.ok()) return status;
    manifest.size_bytes += bytes.size();
    if (absl::Status status = pacer.Step(); !status.ok()) return status;
  }
  manifest.sha256 = hash.HexDigest();
  const auto after = ModifiedTime(*file, path);
  if (!after.ok()) return after.status();
  if (*before == *after) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat(path, ": changed while it was copied; publish it again"));
}

// Leaves the delta that the options ask for, if it is worth it, and names it in the manifest.
absl::Status AddDelta(const PublishOptions& options, const std::string& folder, Pacer& pacer,
                      Manifest& manifest) {
  using DeltaFrom = PublishOptions::DeltaFrom;
  if (options.delta_from == DeltaFrom::kNone) return absl::OkStatus();
  const bool automatic = options.delta_from == DeltaFrom::kAuto;
  std::string base = options.delta_base;
  std::string expected_sha256;
  if (automatic) {
    const absl::StatusOr<Manifest> previous = DirectorySource(options.store, options.model).Poll();
    if (!previous.ok()) return absl::OkStatus();
    base = absl::StrCat(folder, "/", WeightFileName(previous->version));
    expected_sha256 = previous->sha256;
  }
  absl::StatusOr<std::optional<ManifestDelta>> delta = WritePublishedDelta(
      base, expected_sha256, folder, manifest, [&pacer] { return pacer.Step(); });
  if (!delta.ok()) return automatic ? absl::OkStatus() : delta.status();
  if (*delta) manifest.deltas.push_back(**std::move(delta));
  return absl::OkStatus();
}

// Copies what was found fit to serve, under the lock of its folder.
absl::StatusOr<Manifest> PublishFit(const std::string& path, const PublishOptions& options,
                                    Artifact artifact, Pacer& pacer) {
  const std::string folder = StoreFolder(options.store, options.model, artifact);
  if (absl::Status status = CreateFolder(folder); !status.ok()) return status;
  const absl::StatusOr<FolderLock> lock = AcquireLock(folder, options.lock_patience);
  if (!lock.ok()) return lock.status();
  if (absl::Status status = RemoveTemporaryFiles(folder); !status.ok()) return status;

  const absl::StatusOr<uint64_t> version = NextVersion(options, artifact);
  if (!version.ok()) return version.status();
  Manifest manifest{.model = options.model, .version = *version};
  absl::StatusOr<model::AtomicFile> copy =
      model::AtomicFile::Create(absl::StrCat(folder, "/", FileName(artifact, *version)));
  if (!copy.ok()) return copy.status();
  if (absl::Status status = CopyStamped(path, *copy, manifest, pacer); !status.ok()) return status;
  if (absl::Status status = copy->Commit(model::AtomicFile::IfExists::kRefuse); !status.ok())
    return status;

  if (artifact == Artifact::kWeights) {
    if (absl::Status status = AddDelta(options, folder, pacer, manifest); !status.ok())
      return status;
  }
  manifest.published_unix_us = static_cast<uint64_t>(absl::ToUnixMicros(absl::Now()));
  const absl::Status status =
      WriteSmallFile(absl::StrCat(folder, "/", kManifestFileName), SerializeManifest(manifest));
  if (!status.ok()) return status;
  return manifest;
}

}  // namespace

absl::StatusOr<Manifest> Publish(const std::string& path, const PublishOptions& options,
                                 const model::KernelTable& kernels) {
  if (absl::Status status = CheckModelName(options.model); !status.ok()) return status;
  Pacer pacer({});  // the machine may be one that serves
  if (absl::Status status = CheckFit(path, options, kernels, pacer); !status.ok()) return status;
  return PublishFit(path, options, Artifact::kWeights, pacer);
}

absl::StatusOr<Manifest> PublishCatalogue(const std::string& path, const PublishOptions& options) {
  if (absl::Status status = CheckModelName(options.model); !status.ok()) return status;
  Pacer pacer({});
  const absl::Status readable =
      model::CatalogueFile::Open(path, [&pacer] { return pacer.Step(); }).status();
  if (!readable.ok()) return readable;
  return PublishFit(path, options, Artifact::kCatalogue, pacer);
}

}  // namespace fmserve::loader
