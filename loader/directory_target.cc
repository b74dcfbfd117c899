#include "loader/directory_target.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "loader/directory_source.h"
#include "loader/publish_delta.h"

namespace fmserve::loader {
namespace {

constexpr std::chrono::milliseconds kLockRetryInterval{20};

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

}  // namespace

absl::StatusOr<uint64_t> DirectoryTarget::NextVersion() const {
  DirectorySource source(options_.store, options_.model, artifact_);
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

absl::StatusOr<uint64_t> DirectoryTarget::Claim(uint64_t /*size_bytes*/) {
  if (absl::Status status = CreateFolder(folder_); !status.ok()) return status;
  absl::StatusOr<FolderLock> lock = AcquireLock(folder_, options_.lock_patience);
  if (!lock.ok()) return lock.status();
  if (absl::Status status = RemoveTemporaryFiles(folder_); !status.ok()) return status;
  const absl::StatusOr<uint64_t> version = NextVersion();
  if (!version.ok()) return version;
  absl::StatusOr<model::AtomicFile> file =
      model::AtomicFile::Create(absl::StrCat(folder_, "/", FileName(artifact_, *version)));
  if (!file.ok()) return file.status();
  lock_.emplace(*std::move(lock));
  file_.emplace(*std::move(file));
  return version;
}

absl::Status DirectoryTarget::AddDelta(Manifest& manifest, model::Checkpoint checkpoint) {
  using DeltaFrom = PublishOptions::DeltaFrom;
  if (options_.delta_from == DeltaFrom::kNone) return absl::OkStatus();
  std::string base = options_.delta_base;
  std::string expected_sha256;
  if (options_.delta_from == DeltaFrom::kAuto) {
    const absl::StatusOr<Manifest> previous =
        DirectorySource(options_.store, options_.model).Poll();
    if (absl::IsNotFound(previous.status())) return absl::OkStatus();
    if (!previous.ok()) return previous.status();
    base = absl::StrCat(folder_, "/", WeightFileName(previous->version));
    expected_sha256 = previous->sha256;
  }
  absl::StatusOr<std::optional<ManifestDelta>> delta =
      WritePublishedDelta(base, expected_sha256, folder_, manifest, checkpoint);
  if (!delta.ok()) return delta.status();
  if (*delta) manifest.deltas.push_back(**std::move(delta));
  return absl::OkStatus();
}

absl::Status DirectoryTarget::Commit(const Manifest& manifest) {
  return WriteSmallFile(absl::StrCat(folder_, "/", kManifestFileName), SerializeManifest(manifest));
}

}  // namespace fmserve::loader
