// One file of a prediction log while it is written: records in zstd frames, each frame written at
// once, so that at any moment the file ends with a whole one or, after a crash, with part of one.
#ifndef FMSERVE_SERVER_LOG_FILE_H_
#define FMSERVE_SERVER_LOG_FILE_H_

#include <sys/types.h>
#include <zstd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/file_util.h"

namespace fmserve::server {

enum class LogCompression : uint8_t { kFast, kSmall };

// Makes frames of records; used again for the next file. One thread.
class FrameEncoder {
 public:
  explicit FrameEncoder(LogCompression compression);

  // Adds a record, which is `record` with `more` behind it.
  absl::Status Add(std::span<const char> record, std::string_view more);

  // Ends the frame. Its bytes are valid until the next Add.
  absl::StatusOr<std::span<const char>> End();

  // Gives up what was added since the last End.
  void Reset();

  // Since the last End: bytes before compression.
  size_t frame_bytes() const { return frame_bytes_; }

 private:
  absl::Status Feed(const char* data, size_t bytes, ZSTD_EndDirective directive);

  struct Free {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };
  std::unique_ptr<ZSTD_CCtx, Free> context_;
  std::string prefix_;
  std::string out_;
  size_t out_bytes_ = 0;  // of out_, used
  size_t frame_bytes_ = 0;
};

// write(2), or what a test puts in its place.
using WriteFn = std::function<ssize_t(int, const void*, size_t)>;

// Movable; one thread. Errors name the path.
class LogFile {
 public:
  // `path` is a new file's, from LogFolder::NewFile; its user and group may read it.
  static absl::StatusOr<LogFile> Create(const std::string& path, WriteFn write);

  // Appends a frame. After an error the file ends where it did before, if the disk allows.
  // NotFound when somebody has removed the file.
  absl::Status Append(std::span<const char> frame);

  // Written to the disk, and with its finished name. Last.
  absl::Status Finish();

  uint64_t bytes() const { return bytes_; }
  std::chrono::steady_clock::time_point begun() const { return begun_; }

 private:
  LogFile(std::string path, loader::FileDescriptor file, WriteFn write)
      : path_(std::move(path)), file_(std::move(file)), write_(std::move(write)) {}

  std::string path_;
  loader::FileDescriptor file_;
  WriteFn write_;
  uint64_t bytes_ = 0;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_LOG_FILE_H_
