// Records of a prediction log (log.proto), frame by frame.
#ifndef FMSERVE_TOOLS_LOG_LOG_READER_H_
#define FMSERVE_TOOLS_LOG_LOG_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmserve/v1/log.pb.h"

namespace fmserve::tools {

// More in one frame is no prediction log: what its writer collects, and one record of the largest
// kind.
inline constexpr size_t kMaxLogFrameBytes = size_t{128} << 20;

// The files that these paths mean: files as they are, of folders the log files in them by their
// names, that is by model and time, unfinished ones included. NotFound names a path that is not
// there, and a folder without log files.
absl::StatusOr<std::vector<std::string>> FindLogFiles(const std::vector<std::string>& paths);

// Movable; one thread. Holds one frame in memory.
class LogReader {
 public:
  // Errors of the system name the path. A file that was finished since it was listed is found.
  static absl::StatusOr<LogReader> Open(const std::string& path);

  LogReader(LogReader&&) noexcept;
  LogReader& operator=(LogReader&&) = delete;
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;
  ~LogReader();

  // Sets `record` to the next one; false at the end, also where a file that is being written, or
  // whose server was killed, ends inside a frame: see cut_off(). DataLoss names the path and the
  // frame when that is damaged, none of whose records was given out, and when a record is none.
  absl::StatusOr<bool> Next(v1::PredictionRecord* record);

  // The names that hold for the last record; empty when the log does not say.
  const std::vector<std::string>& field_names() const { return field_names_; }

  // At the end: bytes of a frame without an end were left out.
  bool cut_off() const { return cut_off_; }

  // "path, record N", from 1.
  std::string Where() const;

 private:
  struct Decoder;

  LogReader(std::string path, std::unique_ptr<Decoder> decoder);
  absl::StatusOr<bool> NextFrame();
  absl::Status Damaged(std::string_view what) const;

  std::string path_;
  std::unique_ptr<Decoder> decoder_;
  std::string frame_;
  size_t used_ = 0;  // of frame_
  uint64_t records_ = 0;
  std::vector<std::string> field_names_;
  bool cut_off_ = false;
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_LOG_LOG_READER_H_
