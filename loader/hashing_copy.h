// What every fetch from a store goes through on its way to a disk.
#ifndef FMSERVE_LOADER_HASHING_COPY_H_
#define FMSERVE_LOADER_HASHING_COPY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "loader/sha256.h"
#include "loader/token_bucket.h"
#include "model/atomic_file.h"
#include "model/checkpoint.h"

namespace fmserve::loader {

// Appends to a file, hashing on the way, no more than it may have and no faster than it may. One
// thread.
class HashingCopy {
 public:
  // `file` outlives it. `bytes_per_s` of 0: as fast as they come.
  HashingCopy(model::AtomicFile& file, uint64_t max_bytes, uint64_t bytes_per_s)
      : file_(file), max_bytes_(max_bytes), limit_(bytes_per_s, TokenBucket::Clock::now()) {}

  // What the file holds already, read from the disk. At most once, and first.
  absl::Status HashWhatIsThere(model::Checkpoint checkpoint);

  // Waits until the next bytes may come. OutOfRange, and too_long(), when the file would have more
  // than `max_bytes`.
  absl::Status Append(std::span<const std::byte> bytes, model::Checkpoint checkpoint);

  uint64_t size_bytes() const { return file_.size_bytes(); }
  bool too_long() const { return too_long_; }

  // Of all that the file holds. At most once, and last.
  std::string HexDigest() { return hash_.HexDigest(); }

 private:
  model::AtomicFile& file_;
  const uint64_t max_bytes_;
  TokenBucket limit_;
  bool too_long_ = false;
  Sha256 hash_;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_HASHING_COPY_H_
