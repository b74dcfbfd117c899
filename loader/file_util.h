// Small helpers over files and folders. Errors name the path.
#ifndef FMSERVE_LOADER_FILE_UTIL_H_
#define FMSERVE_LOADER_FILE_UTIL_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checkpoint.h"

namespace fmserve::loader {

// Owns a file descriptor. Movable; closes in the destructor.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor();

  int get() const { return fd_; }

 private:
  int fd_;
};

// Opens for reading. Never waits: InvalidArgument for anything that is not a regular file, a named
// pipe for example.
absl::StatusOr<FileDescriptor> OpenRegularFile(const std::string& path);

// Reads until `buffer` is full or the file ends; returns the number of bytes. `path` is for
// messages.
absl::StatusOr<size_t> ReadFull(const FileDescriptor& file, std::span<std::byte> buffer,
                                const std::string& path);

// The whole content; InvalidArgument when it is longer than `max_bytes`.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path, size_t max_bytes);

// Replaces or creates a file; whoever reads it sees the old content or the new one, also after a
// power failure.
absl::Status WriteSmallFile(const std::string& path, std::string_view content);

// Creates the folder and what is missing above it.
absl::Status CreateFolder(const std::string& folder);

// What an unprivileged process may still write to the file system of `folder`.
absl::StatusOr<uint64_t> FreeBytes(const std::string& folder);

// A disk left with less than this is as good as full.
inline constexpr uint64_t kFreeReserveBytes = uint64_t{16} << 20;

// ResourceExhausted, which says that `what` ("version 7") needs them, when the file system of
// `folder` has no room for files of these sizes and the reserve.
absl::Status CheckRoom(const std::string& folder, const std::string& what,
                       std::initializer_list<uint64_t> sizes_bytes);

// Takes the name from a file. Its content stays until the descriptor is closed, or FreeInSteps.
absl::StatusOr<FileDescriptor> DetachFile(const std::string& path);

// Gives the blocks of a file that has no name any more back a few MB at a time, calling
// `checkpoint` in between and ending with its error: freeing many at once can hold up a whole
// machine, above all where the disk is told of each (TRIM). RocksDB's DeleteScheduler does the
// same. Nobody may have the file mapped. FailedPrecondition, and nothing happens, for a file that
// has a name.
absl::Status FreeInSteps(const FileDescriptor& file, model::Checkpoint checkpoint);

// Removes what killed writers (model::AtomicFile) left in a folder. Only for who holds the folder's
// lock.
absl::Status RemoveTemporaryFiles(const std::string& folder);

// An exclusive lock on a folder; ends with the object or the process.
class FolderLock {
 public:
  // Locks the file `path`, which is created and stays. Unavailable when someone else holds it.
  static absl::StatusOr<FolderLock> TryAcquire(const std::string& path);

 private:
  explicit FolderLock(FileDescriptor file) : file_(std::move(file)) {}
  FileDescriptor file_;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_FILE_UTIL_H_
