// The files of a prediction log: their names, what a killed server left, and which are removed.
#ifndef FMSERVE_SERVER_LOG_FOLDER_H_
#define FMSERVE_SERVER_LOG_FOLDER_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/file_util.h"

namespace fmserve::server {

// Of a finished file, and what is behind it while the file is written.
inline constexpr std::string_view kLogSuffix = ".fmlog.zst";
inline constexpr std::string_view kOpenSuffix = ".open";

// The files of one model, "<model>-20261122T100000.123456Z.fmlog.zst" by the time (UTC) when they
// were begun, so that names sort by time. Others in the folder are left alone. Locked against other
// servers as long as it lives. Movable; one thread. Errors name the path.
class LogFolder {
 public:
  // Creates the folder, for its user and group alone, and gives what a killed server left its
  // finished name. Unavailable when another process logs this model here.
  static absl::StatusOr<LogFolder> Open(const std::string& folder, const std::string& model);

  // The path, with kOpenSuffix, for a file that is begun now; no file has it.
  std::string NewFile(std::chrono::system_clock::time_point now) const;

  // Gives a file its finished name. NotFound when it has gone.
  static absl::Status FinishFile(const std::string& open_path);

  // Removes the oldest finished files while all together have more than `max_bytes`. Returns how
  // many it removed.
  absl::StatusOr<uint64_t> RemoveOldest(uint64_t max_bytes) const;

 private:
  LogFolder(std::string folder, std::string model, loader::FolderLock lock)
      : folder_(std::move(folder)), model_(std::move(model)), lock_(std::move(lock)) {}

  // Whether the file name is one of this model's, finished (`suffix` empty) or open.
  bool IsOurs(std::string_view name, std::string_view suffix) const;

  std::string folder_;
  std::string model_;
  loader::FolderLock lock_;
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_LOG_FOLDER_H_
