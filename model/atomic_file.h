// A file that appears whole or not at all.
#ifndef FMSERVE_MODEL_ATOMIC_FILE_H_
#define FMSERVE_MODEL_ATOMIC_FILE_H_

#include <cstddef>
#include <cstdint>
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
  static absl::StatusOr<AtomicFile> Create(const std::string& path);

  AtomicFile(AtomicFile&& other) noexcept { *this = std::move(other); }
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  // Where the content lies until Commit.
  const std::string& temporary_path() const { return temporary_path_; }

  // Unbuffered: give it large pieces. Writing to the disk starts underway, so that Commit has
  // little left to do and nobody else waits behind it.
  absl::Status WriteAt(uint64_t offset, std::span<const std::byte> bytes);

  // Writes everything to the disk and drops it from memory, so that the kernel reads it again when
  // it is mapped, in large pieces: pages that came there by small writes stay small.
  absl::Status FlushAndEvict();

  // fsync, rename, fsync of the directory. At most once, and last. With kRefuse AlreadyExists, and
  // nothing happens, when `path` exists.
  enum class IfExists : uint8_t { kReplace, kRefuse };
  absl::Status Commit(IfExists if_exists = IfExists::kReplace);

 private:
  AtomicFile() = default;

  std::string path_;
  std::string temporary_path_;  // empty: nothing to remove
  int fd_ = -1;
  uint64_t unflushed_bytes_ = 0;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_ATOMIC_FILE_H_
