#include "server/log_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace fmserve::server {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kFolderMode = 0750;
constexpr std::string_view kTimePattern = "00000000T000000.000000Z";

std::string TimeText(std::chrono::system_clock::time_point time) {
  return absl::FormatTime("%Y%m%dT%H%M%E6SZ", absl::FromChrono(time), absl::UTCTimeZone());
}

bool IsTimeText(std::string_view text) {
  return text.size() == kTimePattern.size() &&
         std::equal(text.begin(), text.end(), kTimePattern.begin(), [](char c, char pattern) {
           return pattern == '0' ? c >= '0' && c <= '9' : c == pattern;
         });
}

absl::Status FolderError(const std::string& path, const char* what) {
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot ", what));
}

// Calls visit(entry); ends with an error of it or of the folder.
template <typename Visit>
absl::Status ForEachEntry(const std::string& folder, Visit visit) {
  std::error_code error;
  for (auto entry = fs::directory_iterator(folder, error);
       !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (absl::Status status = visit(*entry); !status.ok()) return status;
  }
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(error.value(), absl::StrCat(folder, ": cannot list"));
}

absl::Status MakeFolder(const std::string& folder) {
  const std::string parent = fs::path(folder).parent_path();
  if (!parent.empty()) {
    if (absl::Status status = loader::CreateFolder(parent); !status.ok()) return status;
  }
  if (mkdir(folder.c_str(), kFolderMode) == 0 || errno == EEXIST) return absl::OkStatus();
  return FolderError(folder, "create the folder");
}

}  // namespace

absl::StatusOr<LogFolder> LogFolder::Open(const std::string& folder, const std::string& model) {
  if (absl::Status status = MakeFolder(folder); !status.ok()) return status;
  auto lock = loader::FolderLock::TryAcquire(absl::StrCat(folder, "/.", model, ".lock"));
  if (!lock.ok()) return lock.status();
  LogFolder opened(folder, model, *std::move(lock));
  absl::Status status = ForEachEntry(folder, [&opened](const fs::directory_entry& entry) {
    if (!opened.IsOurs(entry.path().filename().native(), kOpenSuffix)) return absl::OkStatus();
    std::error_code ignored;
    if (entry.file_size(ignored) == 0) {
      unlink(entry.path().c_str());
      return absl::OkStatus();
    }
    return FinishFile(entry.path());
  });
  if (!status.ok()) return status;
  return opened;
}

std::string LogFolder::NewFile(std::chrono::system_clock::time_point now) const {
  for (;; now += std::chrono::microseconds(1)) {
    std::string finished = absl::StrCat(folder_, "/", model_, "-", TimeText(now));
    absl::StrAppend(&finished, std::string(kLogSuffix));
    std::string open = finished + std::string(kOpenSuffix);
    if (access(finished.c_str(), F_OK) != 0 && access(open.c_str(), F_OK) != 0) return open;
  }
}

absl::Status LogFolder::FinishFile(const std::string& open_path) {
  const std::string path = open_path.substr(0, open_path.size() - kOpenSuffix.size());
  if (rename(open_path.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return FolderError(open_path, "rename");
}

absl::StatusOr<uint64_t> LogFolder::RemoveOldest(uint64_t max_bytes) const {
  struct File {
    std::string path;
    uint64_t bytes;
  };
  std::vector<File> files;
  uint64_t all_bytes = 0;
  absl::Status status = ForEachEntry(folder_, [&](const fs::directory_entry& entry) {
    if (!IsOurs(entry.path().filename().native(), "")) return absl::OkStatus();
    std::error_code gone;
    const uint64_t bytes = entry.file_size(gone);
    if (gone) return absl::OkStatus();
    files.push_back({entry.path(), bytes});
    all_bytes += bytes;
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  std::sort(files.begin(), files.end(),
            [](const File& a, const File& b) { return a.path < b.path; });
  uint64_t removed = 0;
  for (const File& file : files) {
    if (all_bytes <= max_bytes) break;
    if (unlink(file.path.c_str()) != 0 && errno != ENOENT) return FolderError(file.path, "remove");
    all_bytes -= file.bytes;
    ++removed;
  }
  return removed;
}

bool LogFolder::IsOurs(std::string_view name, std::string_view suffix) const {
  const std::string prefix = model_ + "-";
  const std::string ending = std::string(kLogSuffix) + std::string(suffix);
  return name.starts_with(prefix) && name.ends_with(ending) &&
         name.size() > prefix.size() + ending.size() &&
         IsTimeText(name.substr(prefix.size(), name.size() - prefix.size() - ending.size()));
}

}  // namespace fmserve::server
