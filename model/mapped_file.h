// A read-only memory mapping of a whole file.
#ifndef FMSERVE_MODEL_MAPPED_FILE_H_
#define FMSERVE_MODEL_MAPPED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace fmserve::model {

// Immutable, movable; unmaps in the destructor. Whoever truncates a mapped file kills its readers
// (SIGBUS), so a server maps only files in a cache of its own (loader/cache.h); a tool may map what
// the user names.
class MappedFile {
 public:
  // NotFound, PermissionDenied or InvalidArgument (not a regular file, empty) naming the path.
  static absl::StatusOr<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }

  // How much of it the kernel has mapped with 2 MB pages, by /proc/self/smaps; 0 when that cannot
  // be read. Linux gives such pages to a file that it reads from the disk itself (AtomicFile::
  // FlushAndEvict), on file systems with large folios: XFS since 5.18, ext4 since 6.16. Takes
  // milliseconds.
  uint64_t HugePageBytes() const;

 private:
  MappedFile() = default;

  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_MAPPED_FILE_H_
