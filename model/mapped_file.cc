#include "model/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace fmserve::model {

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  // O_NONBLOCK: opening a named pipe must fail, not wait for a writer.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot open"));
  struct stat stat = {};
  if (fstat(fd, &stat) != 0) {
    const int error = errno;
    close(fd);
    return absl::ErrnoToStatus(error, absl::StrCat(path, ": cannot stat"));
  }
  if (!S_ISREG(stat.st_mode) || stat.st_size == 0) {
    close(fd);
    return absl::InvalidArgumentError(
        absl::StrCat(path, S_ISREG(stat.st_mode) ? ": is empty" : ": is not a regular file"));
  }
  MappedFile file;
  file.size_ = static_cast<size_t>(stat.st_size);
  void* const data = mmap(nullptr, file.size_, PROT_READ, MAP_SHARED, fd, 0);
  const int error = errno;
  close(fd);
  if (data == MAP_FAILED) return absl::ErrnoToStatus(error, absl::StrCat(path, ": cannot map"));
  file.data_ = static_cast<const std::byte*>(data);
  // A random row on a page of 4 KB costs two misses, one for the page's address. A hint: on file
  // systems that have no large pages it fails, or does nothing.
  madvise(data, file.size_, MADV_HUGEPAGE);
  return file;
}

absl::Status MappedFile::ReleasePages(Checkpoint checkpoint) const {
  const std::byte* step = data_;
  const std::byte* const end = data_ + size_;
  while (step < end) {
    const size_t behind_boundary = reinterpret_cast<uintptr_t>(step) % kLargestPageBytes;
    const size_t size =
        std::min(kLargestPageBytes - behind_boundary, static_cast<size_t>(end - step));
    madvise(const_cast<std::byte*>(step), size, MADV_DONTNEED);
    step += size;
    if (absl::Status status = checkpoint(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace fmserve::model
