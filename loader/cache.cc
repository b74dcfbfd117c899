#include "loader/cache.h"

#include <filesystem>
#include <map>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace fmserve::loader {
namespace {

constexpr char kStateFileName[] = "state.json";
constexpr char kLockFileName[] = ".lock";

// Version -> size of the weight files in `folder`.
absl::StatusOr<std::map<uint64_t, uint64_t>> ListWeightFiles(const std::string& folder) {
  std::map<uint64_t, uint64_t> sizes_bytes;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(folder, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::optional<uint64_t> version = ParseWeightFileName(entry->path().filename().native());
    std::error_code not_regular;
    const uint64_t size_bytes = entry->file_size(not_regular);
    if (version && !not_regular) sizes_bytes[*version] = size_bytes;
  }
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat(folder, ": cannot list"));
  return sizes_bytes;
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

absl::StatusOr<CacheState> Cache::LoadState(const std::string& model) const {
  const absl::StatusOr<std::map<uint64_t, uint64_t>> sizes_bytes = ListWeightFiles(folder_);
  if (!sizes_bytes.ok()) return sizes_bytes.status();
  const absl::StatusOr<std::string> text =
      ReadSmallFile(absl::StrCat(folder_, "/", kStateFileName), kMaxCacheStateBytes);
  const absl::StatusOr<CacheState> saved =
      text.ok() ? ParseCacheState(*text) : absl::StatusOr<CacheState>(text.status());
  CacheState state = saved.ok() ? *saved : CacheState();
  const std::map<uint64_t, Manifest> remembered = std::move(state.cached);
  state.cached.clear();
  for (const auto& [version, size_bytes] : *sizes_bytes) {
    const auto known = remembered.find(version);
    const bool same = known != remembered.end() && known->second.size_bytes == size_bytes;
    state.cached[version] =
        same ? known->second
             : Manifest{.model = model, .version = version, .size_bytes = size_bytes};
  }
  return state;
}

absl::Status Cache::SaveState(const CacheState& state) const {
  return WriteSmallFile(absl::StrCat(folder_, "/", kStateFileName), SerializeCacheState(state));
}

std::string Cache::WeightPath(uint64_t version) const {
  return absl::StrCat(folder_, "/", WeightFileName(version));
}

absl::StatusOr<FileDescriptor> Cache::Detach(uint64_t version) const {
  return DetachFile(WeightPath(version));
}

}  // namespace fmserve::loader
