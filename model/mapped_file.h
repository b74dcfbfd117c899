// A read-only memory mapping of a whole file.
#ifndef FMSERVE_MODEL_MAPPED_FILE_H_
#define FMSERVE_MODEL_MAPPED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checkpoint.h"
#include "model/huge_pages.h"

namespace fmserve::model {

// The largest page that Linux maps for a file.
inline constexpr size_t kLargestPageBytes = size_t{2} << 20;

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

  // Takes the pages out of this process in steps, so that the destructor, which has to do it at
  // once, finds nothing left. The bytes stay readable: a page that is read comes back.
  absl::Status ReleasePages(Checkpoint checkpoint) const;

  // How much of it the kernel has mapped with 2 MB pages (model/huge_pages.h). Linux gives such
  // pages to a file that it reads from the disk itself (AtomicFile with kDirect), on file systems
  // with large folios: XFS since 5.18, ext4 since 6.16.
  uint64_t HugePageBytes() const { return model::HugePageBytes(bytes()); }

 private:
  MappedFile() = default;

  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_MAPPED_FILE_H_
