#include "loader/cache.h"

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/sha256.h"

namespace fmserve::loader {
namespace {

constexpr char kStateFileName[] = "state.json";
constexpr char kLockFileName[] = ".lock";
constexpr char kPartialMark[] = ".partial-";
constexpr size_t kPartialDigits = 16;

// Version -> size of the artifact's files in `folder`.
absl::StatusOr<std::map<uint64_t, uint64_t>> ListFiles(const std::string& folder,
                                                       Artifact artifact) {
  std::map<uint64_t, uint64_t> sizes_bytes;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(folder, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::optional<uint64_t> version =
        ParseFileName(artifact, entry->path().filename().native());
    std::error_code not_regular;
    const uint64_t size_bytes = entry->file_size(not_regular);
    if (version && !not_regular) sizes_bytes[*version] = size_bytes;
  }
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat(folder, ": cannot list"));
  return sizes_bytes;
}

// Corrects `state.cached` to what lies in `folder`.
absl::Status Correct(const std::string& folder, const std::string& model, Artifact artifact,
                     CacheState& state) {
  const absl::StatusOr<std::map<uint64_t, uint64_t>> sizes_bytes = ListFiles(folder, artifact);
  if (!sizes_bytes.ok()) return sizes_bytes.status();
  const std::map<uint64_t, Manifest> remembered = std::exchange(state.cached, {});
  for (const auto& [version, size_bytes] : *sizes_bytes) {
    const auto known = remembered.find(version);
    const bool same = known != remembered.end() && known->second.size_bytes == size_bytes;
    state.cached[version] =
        same ? known->second
             : Manifest{.model = model, .version = version, .size_bytes = size_bytes};
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Cache> Cache::Open(std::string folder) {
  if (absl::Status status = CreateFolder(folder); !status.ok()) return status;
  absl::StatusOr<FolderLock> lock =
      FolderLock::TryAcquire(absl::StrCat(folder, "/", kLockFileName));
  if (!lock.ok()) return lock.status();
  if (absl::Status status = RemoveTemporaryFiles(folder); !status.ok()) return status;
  return Cache(std::move(folder), *std::move(lock));
}

absl::StatusOr<ModelState> Cache::LoadState(const std::string& model) const {
  const absl::StatusOr<std::string> text =
      ReadSmallFile(absl::StrCat(folder_, "/", kStateFileName), kMaxCacheStateBytes);
  const absl::StatusOr<ModelState> saved =
      text.ok() ? ParseModelState(*text) : absl::StatusOr<ModelState>(text.status());
  ModelState state = saved.ok() ? *saved : ModelState();
  absl::Status status = Correct(folder_, model, Artifact::kWeights, state.weights);
  if (status.ok()) status = Correct(folder_, model, Artifact::kCatalogue, state.catalogue);
  if (!status.ok()) return status;
  return state;
}

absl::Status Cache::SaveState(const ModelState& state) const {
  return WriteSmallFile(absl::StrCat(folder_, "/", kStateFileName), SerializeModelState(state));
}

std::string Cache::Path(Artifact artifact, uint64_t version) const {
  return absl::StrCat(folder_, "/", FileName(artifact, version));
}

std::string Cache::PartialPath(Artifact artifact, const Manifest& manifest,
                               std::string_view fingerprint) const {
  const std::string identity =
      absl::StrCat(manifest.sha256, "\n", manifest.size_bytes, "\n", std::string(fingerprint));
  Sha256 hash;
  hash.Update(std::as_bytes(std::span(identity)));
  return absl::StrCat(Path(artifact, manifest.version), kPartialMark,
                      hash.HexDigest().substr(0, kPartialDigits));
}

absl::Status Cache::RemovePartialFiles(Artifact artifact, const std::string& kept,
                                       model::Checkpoint checkpoint) const {
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(folder_, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const size_t mark = name.find(kPartialMark);
    if (mark == std::string::npos ||
        !ParseFileName(artifact, std::string_view(name).substr(0, mark)))
      continue;
    const std::string path = absl::StrCat(folder_, "/", name);
    if (path == kept) continue;
    const absl::StatusOr<FileDescriptor> file = DetachFile(path);
    if (!file.ok()) return file.status();
    if (absl::Status status = FreeInSteps(*file, checkpoint); !status.ok()) return status;
  }
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(error.value(), absl::StrCat(folder_, ": cannot list"));
}

absl::StatusOr<FileDescriptor> Cache::Detach(Artifact artifact, uint64_t version) const {
  return DetachFile(Path(artifact, version));
}

}  // namespace fmserve::loader
