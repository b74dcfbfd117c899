#include "loader/file_util.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <limits>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/atomic_file.h"

namespace fmserve::loader {
namespace {

constexpr char kTemporaryMark[] = ".tmp-";  // in the names that model::AtomicFile gives

absl::Status ErrnoStatus(const std::string& path, const char* what) {
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot ", what));
}

absl::StatusOr<FileDescriptor> Open(const std::string& path, int access) {
  FileDescriptor file(open(path.c_str(), access | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return ErrnoStatus(path, "open");
  struct stat stat = {};
  if (fstat(file.get(), &stat) != 0) return ErrnoStatus(path, "stat");
  if (!S_ISREG(stat.st_mode)) return absl::InvalidArgumentError(path + ": is not a regular file");
  return file;
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<FileDescriptor> OpenRegularFile(const std::string& path) {
  return Open(path, O_RDONLY);
}

absl::StatusOr<uint64_t> FreeBytes(const std::string& folder) {
  struct statvfs stat = {};
  if (statvfs(folder.c_str(), &stat) == 0) return uint64_t{stat.f_bavail} * stat.f_frsize;
  return ErrnoStatus(folder, "tell its free space");
}

absl::Status CheckRoom(const std::string& folder, const std::string& what,
                       std::initializer_list<uint64_t> sizes_bytes) {
  uint64_t needed_bytes = 0;
  for (const uint64_t size_bytes : sizes_bytes)
    needed_bytes += std::min(size_bytes, std::numeric_limits<uint64_t>::max() - needed_bytes);
  const absl::StatusOr<uint64_t> free_bytes = FreeBytes(folder);
  if (!free_bytes.ok()) return free_bytes.status();
  if (*free_bytes >= kFreeReserveBytes && *free_bytes - kFreeReserveBytes >= needed_bytes)
    return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(folder, ": ", what, " needs ", needed_bytes,
                                                   " bytes and ", kFreeReserveBytes, " to spare, ",
                                                   *free_bytes, " are free; make room"));
}

absl::StatusOr<FileDescriptor> DetachFile(const std::string& path) {
  absl::StatusOr<FileDescriptor> file = Open(path, O_WRONLY);
  if (file.ok() && unlink(path.c_str()) != 0) return ErrnoStatus(path, "remove");
  return file;
}

absl::Status FreeInSteps(const FileDescriptor& file, model::Checkpoint checkpoint) {
  constexpr off_t kStepBytes = off_t{2} << 20;
  struct stat stat = {};
  if (fstat(file.get(), &stat) != 0) return absl::ErrnoToStatus(errno, "cannot stat");
  if (stat.st_nlink != 0) return absl::FailedPreconditionError("the file has a name");
  for (off_t size_bytes = stat.st_size; size_bytes > 0;) {
    size_bytes = (size_bytes - 1) / kStepBytes * kStepBytes;
    if (ftruncate(file.get(), size_bytes) != 0)
      return absl::ErrnoToStatus(errno, "cannot truncate");
    if (absl::Status status = checkpoint(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> ReadFull(const FileDescriptor& file, std::span<std::byte> buffer,
                                const std::string& path) {
  size_t filled = 0;
  while (filled < buffer.size()) {
    const ssize_t count = read(file.get(), buffer.data() + filled, buffer.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(path, "read");
    if (count == 0) break;
    filled += static_cast<size_t>(count);
  }
  return filled;
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path, size_t max_bytes) {
  const absl::StatusOr<FileDescriptor> file = OpenRegularFile(path);
  if (!file.ok()) return file.status();
  std::string content(max_bytes + 1, '\0');
  const absl::StatusOr<size_t> size =
      ReadFull(*file, std::as_writable_bytes(std::span(content)), path);
  if (!size.ok()) return size.status();
  if (*size > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is longer than the ", max_bytes, " bytes that it may have"));
  }
  content.resize(*size);
  return content;
}

absl::Status CreateFolder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(error.value(), absl::StrCat(folder, ": cannot create the folder"));
}

absl::Status WriteSmallFile(const std::string& path, std::string_view content) {
  absl::StatusOr<model::AtomicFile> file = model::AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  const absl::Status status = file->Append(std::as_bytes(std::span(content)));
  return status.ok() ? file->Commit() : status;
}

absl::Status RemoveTemporaryFiles(const std::string& folder) {
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(folder, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (!absl::StrContains(entry->path().filename().native(), kTemporaryMark)) continue;
    if (unlink(entry->path().c_str()) != 0) return ErrnoStatus(entry->path(), "remove");
  }
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(error.value(), absl::StrCat(folder, ": cannot list"));
}

absl::StatusOr<FolderLock> FolderLock::TryAcquire(const std::string& path) {
  FileDescriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (file.get() < 0) return ErrnoStatus(path, "open");
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoStatus(path, "lock");
    return absl::UnavailableError(absl::StrCat(path, ": is locked by another process"));
  }
  return FolderLock(std::move(file));
}

}  // namespace fmserve::loader
