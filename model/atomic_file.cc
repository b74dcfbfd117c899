#include "model/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace fmserve::model {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;
constexpr size_t kDirectAlignmentBytes = 4096;

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

absl::StatusOr<AtomicFile> AtomicFile::Create(const std::string& path, Writing writing) {
  // Unique among the writers of this process. What a killed process with the same number left
  // behind is overwritten.
  static std::atomic<uint64_t> next_number = 0;
  return Open(path, absl::StrCat(path, ".tmp-", getpid(), "-", next_number++), writing, O_TRUNC);
}

absl::StatusOr<AtomicFile> AtomicFile::Resume(const std::string& path,
                                              const std::string& temporary_path, Writing writing) {
  absl::StatusOr<AtomicFile> file = Open(path, temporary_path, writing, 0);
  if (!file.ok()) return file;
  if (absl::Status status = file->SkipWhatIsThere(); !status.ok()) return status;
  return file;
}

absl::StatusOr<AtomicFile> AtomicFile::Open(const std::string& path, std::string temporary_path,
                                            Writing writing, int flags) {
  flags |= O_WRONLY | O_CREAT | O_CLOEXEC;
  AtomicFile file;
  file.path_ = path;
  if (writing == Writing::kDirect) {
    file.fd_ = open(temporary_path.c_str(), flags | O_DIRECT, 0666);
    file.direct_ = file.fd_ >= 0;
  }
  if (file.fd_ < 0) file.fd_ = open(temporary_path.c_str(), flags, 0666);
  if (file.fd_ < 0)
    return absl::ErrnoToStatus(errno, absl::StrCat(temporary_path, ": cannot create"));
  file.temporary_path_ = std::move(temporary_path);
  file.buffer_.reset(
      static_cast<std::byte*>(std::aligned_alloc(kDirectAlignmentBytes, kBufferBytes)));
  if (file.buffer_ == nullptr) return absl::ResourceExhaustedError("no memory for a buffer");
  return file;
}

// Whole pieces only, so that those that follow are aligned as well.
absl::Status AtomicFile::SkipWhatIsThere() {
  struct stat stat = {};
  if (fstat(fd_, &stat) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat(temporary_path_, ": cannot stat"));
  written_bytes_ = static_cast<uint64_t>(stat.st_size) / kBufferBytes * kBufferBytes;
  if (ftruncate(fd_, static_cast<off_t>(written_bytes_)) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat(temporary_path_, ": cannot truncate"));
}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(temporary_path_, other.temporary_path_);
  std::swap(fd_, other.fd_);
  std::swap(direct_, other.direct_);
  std::swap(buffer_, other.buffer_);
  std::swap(buffered_bytes_, other.buffered_bytes_);
  std::swap(written_bytes_, other.written_bytes_);
  return *this;
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_path_.empty()) unlink(temporary_path_.c_str());
}

absl::Status AtomicFile::UseCache() {
  direct_ = false;
  const int flags = fcntl(fd_, F_GETFL);
  if (flags >= 0 && fcntl(fd_, F_SETFL, flags & ~O_DIRECT) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat(temporary_path_, ": cannot leave O_DIRECT"));
}

absl::Status AtomicFile::WriteAt(uint64_t offset, std::span<const std::byte> bytes) {
  const bool aligned = offset % kDirectAlignmentBytes == 0 &&
                       bytes.size() % kDirectAlignmentBytes == 0 && bytes.data() == buffer_.get();
  if (direct_ && !aligned) {
    if (absl::Status status = UseCache(); !status.ok()) return status;
  }
  while (!bytes.empty()) {
    const ssize_t written = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EINVAL && direct_) {  // a file system that promised too much
      if (absl::Status status = UseCache(); !status.ok()) return status;
      continue;
    }
    if (written < 0)
      return absl::ErrnoToStatus(errno, absl::StrCat(temporary_path_, ": cannot write"));
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::Append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const size_t taken = std::min(bytes.size(), kBufferBytes - buffered_bytes_);
    std::memcpy(buffer_.get() + buffered_bytes_, bytes.data(), taken);
    buffered_bytes_ += taken;
    bytes = bytes.subspan(taken);
    if (buffered_bytes_ < kBufferBytes) break;
    if (absl::Status status = Flush(); !status.ok()) return status;
    // A hint: failing does no harm.
    if (!direct_) sync_file_range(fd_, 0, 0, SYNC_FILE_RANGE_WRITE);
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::Flush() {
  const absl::Status status = WriteAt(written_bytes_, std::span(buffer_.get(), buffered_bytes_));
  if (!status.ok()) return status;
  written_bytes_ += std::exchange(buffered_bytes_, 0);
  return absl::OkStatus();
}

absl::Status AtomicFile::Overwrite(uint64_t offset, std::span<const std::byte> bytes) {
  if (absl::Status status = Flush(); !status.ok()) return status;
  return WriteAt(offset, bytes);
}

void AtomicFile::Leave() {
  close(std::exchange(fd_, -1));
  temporary_path_.clear();
}

absl::Status AtomicFile::Commit(IfExists if_exists) {
  if (absl::Status status = Flush(); !status.ok()) return status;
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
