// Bytes of a data file, decompressed on the way when it is a gzip or a zstd file.
#ifndef FMSERVE_TRAINER_INPUT_STREAM_H_
#define FMSERVE_TRAINER_INPUT_STREAM_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace fmserve::trainer {

// One thread.
class InputStream {
 public:
  virtual ~InputStream() = default;

  // NotFound, PermissionDenied or another error of the system that names the path. What the file is
  // is told by its first bytes, not by its name; pipes will do.
  static absl::StatusOr<std::unique_ptr<InputStream>> Open(const std::string& path);

  // Writes up to buffer.size() > 0 bytes to `buffer` and returns their number, 0 only at the end.
  // DataLoss for a compressed file that is damaged or ends early.
  virtual absl::StatusOr<size_t> Read(std::span<char> buffer) = 0;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_INPUT_STREAM_H_
