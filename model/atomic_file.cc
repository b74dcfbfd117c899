#include "model/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"

namespace fmserve::model {
namespace {

constexpr uint64_t kWritebackStepBytes = 1 << 20;

// rename() that fails with EEXIST. Not every file system has RENAME_NOREPLACE; link() has the same
// guarantee.
int RenameNoReplace(const std::string& from, const std::string& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return -1;
  if (link(from.c_str(), to.c_str()) != 0) return -1;
  return unlink(from.c_str());
}

// So that a rename survives a power cut.
absl::Status SyncDirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat(directory, ": cannot open directory"));
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  if (error != 0)
    return absl::ErrnoToStatus(error, absl::StrCat(directory, ": cannot sync directory"));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AtomicFile> AtomicFile::Create(const std::string& path) {
  // Unique among the writers of this process. What a killed process with the same number left
  // behind is overwritten.
  static std::atomic<uint64_t> next_number = 0;
  AtomicFile file;
  file.path_ = path;
  std::string temporary_path = absl::StrCat(path, ".tmp-", getpid(), "-", next_number++);
  file.fd_ = open(temporary_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file.fd_ < 0)
    return absl::ErrnoToStatus(errno, absl::StrCat(temporary_path, ": cannot create"));
  file.temporary_path_ = std::move(temporary_path);
  return file;
}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(temporary_path_, other.temporary_path_);
  std::swap(fd_, other.fd_);
  std::swap(unflushed_bytes_, other.unflushed_bytes_);
  return *this;
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_path_.empty()) unlink(temporary_path_.c_str());
}

absl::Status AtomicFile::WriteAt(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      return absl::ErrnoToStatus(errno, absl::StrCat(temporary_path_, ": cannot write"));
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
    unflushed_bytes_ += static_cast<uint64_t>(written);
  }
  if (unflushed_bytes_ >= kWritebackStepBytes) {
    sync_file_range(fd_, 0, 0, SYNC_FILE_RANGE_WRITE);  // a hint: failing does no harm
    unflushed_bytes_ = 0;
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::FlushAndEvict() {
  if (fsync(fd_) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat(temporary_path_, ": cannot sync"));
  posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);  // a hint: failing does no harm
  return absl::OkStatus();
}

absl::Status AtomicFile::Commit(IfExists if_exists) {
  if (fsync(fd_) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat(temporary_path_, ": cannot sync"));
  if (close(std::exchange(fd_, -1)) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(temporary_path_, ": cannot close"));
  }
  const int failed = if_exists == IfExists::kReplace
                         ? rename(temporary_path_.c_str(), path_.c_str())
                         : RenameNoReplace(temporary_path_, path_);
  if (failed != 0) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat(path_, ": cannot rename the finished file to it"));
  }
  temporary_path_.clear();
  return SyncDirectoryOf(path_);
}

}  // namespace fmserve::model
