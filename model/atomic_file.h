// A file that appears whole or not at all.
#ifndef FMSERVE_MODEL_ATOMIC_FILE_H_
#define FMSERVE_MODEL_ATOMIC_FILE_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fmserve::model {

// Written beside `path` under the name <path>.tmp-<pid>-<n>, and renamed by Commit. Whoever does
// not commit leaves nothing behind and `path` as it was. Movable; one thread. Errors name the path.
class AtomicFile {
 public:
  // kDirect writes past the kernel's page cache (O_DIRECT) where the file system can: a sixth of
  // the processor time and no long stretches inside the kernel, for a file that will be mapped. The
  // kernel then reads it from the disk itself, in pages of up to kLargestPageBytes.
  enum class Writing : uint8_t { kCached, kDirect };
  static absl::StatusOr<AtomicFile> Create(const std::string& path,
                                           Writing writing = Writing::kCached);

  // Written as `temporary_path`, in the folder of `path`, behind what Leave left there: see
  // size_bytes(). Empty when there is nothing.
  static absl::StatusOr<AtomicFile> Resume(const std::string& path,
                                           const std::string& temporary_path,
                                           Writing writing = Writing::kCached);

  AtomicFile(AtomicFile&& other) noexcept { *this = std::move(other); }
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  // Where the content lies until Commit.
  const std::string& temporary_path() const { return temporary_path_; }

  // Collects pieces of 1 MiB. Writing to the disk starts underway, so that Commit has little left
  // to do and nobody else waits behind it.
  absl::Status Append(std::span<const std::byte> bytes);

  // What was appended.
  uint64_t size_bytes() const { return written_bytes_ + buffered_bytes_; }

  // Writes what was appended to the file, so that temporary_path() has all of it.
  absl::Status Flush();

  // Replaces bytes that were appended before; flushes.
  absl::Status Overwrite(uint64_t offset, std::span<const std::byte> bytes);

  // Instead of Commit, and last: what has reached the file stays under temporary_path(). Up to 1
  // MiB may be missing at its end.
  void Leave();

  // fsync, rename, fsync of the directory. At most once, and last. With kRefuse AlreadyExists, and
  // nothing happens, when `path` exists.
  enum class IfExists : uint8_t { kReplace, kRefuse };
  absl::Status Commit(IfExists if_exists = IfExists::kReplace);

 private:
  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  using Buffer = std::unique_ptr<std::byte[], Free>;

  AtomicFile() = default;

  static absl::StatusOr<AtomicFile> Open(const std::string& path, std::string temporary_path,
                                         Writing writing, int flags);
  absl::Status SkipWhatIsThere();
  absl::Status UseCache();
  absl::Status WriteAt(uint64_t offset, std::span<const std::byte> bytes);

  std::string path_;
  std::string temporary_path_;  // empty: nothing to remove
  int fd_ = -1;
  bool direct_ = false;
  Buffer buffer_;
  size_t buffered_bytes_ = 0;
  uint64_t written_bytes_ = 0;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_ATOMIC_FILE_H_
