#include "loader/scratch_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"

namespace fmserve::loader {
namespace {

constexpr char kNameBegin[] = "fmserve-scratch-";
constexpr char kLockName[] = ".in-use";

void RemoveAll(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

// Whether it is a folder of this user's and not a link to one.
bool IsOurFolder(const std::string& path) {
  struct stat stat = {};
  return lstat(path.c_str(), &stat) == 0 && S_ISDIR(stat.st_mode) && stat.st_uid == geteuid();
}

// What cannot be listed or removed stays: it is in nobody's way.
void RemoveLeftovers(const std::string& parent) {
  std::vector<std::string> found;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(parent, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (entry->path().filename().native().starts_with(kNameBegin)) found.push_back(entry->path());
  }
  for (const std::string& path : found) {
    const std::string lock_path = absl::StrCat(path, "/", kLockName);
    // Without a lock it was created a moment ago.
    if (!IsOurFolder(path) || access(lock_path.c_str(), F_OK) != 0) continue;
    if (FolderLock::TryAcquire(lock_path).ok()) RemoveAll(path);
  }
}

}  // namespace

absl::StatusOr<ScratchFolder> ScratchFolder::Create(const std::string& parent) {
  RemoveLeftovers(parent);
  std::string path = absl::StrCat(parent, "/", kNameBegin, "XXXXXX");
  if (mkdtemp(path.data()) == nullptr)
    return absl::ErrnoToStatus(errno, absl::StrCat(parent, ": cannot create a folder for scratch"));
  absl::StatusOr<FolderLock> lock = FolderLock::TryAcquire(absl::StrCat(path, "/", kLockName));
  if (lock.ok()) return ScratchFolder(std::move(path), *std::move(lock));
  RemoveAll(path);
  return lock.status();
}

ScratchFolder::~ScratchFolder() {
  if (!path_.empty()) RemoveAll(path_);
}

std::string TemporaryFolder() {
  const char* const folder = std::getenv("TMPDIR");
  return folder == nullptr || *folder == '\0' ? "/tmp" : folder;
}

}  // namespace fmserve::loader
