// The history of a model on disk: `history.jsonl` in its cache folder, one event a line, oldest
// first.
#ifndef FMSERVE_LOADER_HISTORY_FILE_H_
#define FMSERVE_LOADER_HISTORY_FILE_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/history.h"

namespace fmserve::loader {

inline constexpr size_t kMaxHistoryFileBytes = size_t{64} << 20;

// Appended to, so that an event costs a line and not the file. Not flushed to the disk: a power
// failure may cost the last seconds, kill -9 nothing. One thread at a time, and one server: that
// which holds the cache's lock.
class HistoryFile {
 public:
  explicit HistoryFile(const std::string& folder);

  // The latest kMaxHistoryEvents; none when there is no file. What is no event, such as a line that
  // was cut off, is left out; the file as it was is then set aside as `history.jsonl.damaged`, and
  // so is one of more than kMaxHistoryFileBytes. Errors are those of the file system.
  absl::StatusOr<std::vector<HistoryEvent>> Load();

  // Whether it would hold over twice as many lines as are kept, and Rewrite is due.
  bool IsFull(size_t more_lines_count) const {
    return lines_count_ + more_lines_count > 2 * kMaxHistoryEvents;
  }

  // All of `events` or none: after an error the file is as it was.
  absl::Status Append(std::span<const HistoryEvent> events);
  absl::Status Rewrite(std::span<const HistoryEvent> events);

 private:
  std::string path_;
  size_t lines_count_ = 0;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_HISTORY_FILE_H_
