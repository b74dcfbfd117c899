#include "s3/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace fmserve::s3 {

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot open"));
  const absl::Cleanup close_file = [file] { close(file); };
  struct stat stat = {};
  if (fstat(file, &stat) != 0 || !S_ISREG(stat.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": not a regular file"));
  }
  std::string content(max_bytes + 1, '\0');
  size_t size = 0;
  while (size < content.size()) {
    const ssize_t count = read(file, content.data() + size, content.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot read"));
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  if (size > max_bytes) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": longer than ", max_bytes, " bytes; is it the right file?"));
  }
  content.resize(size);
  return content;
}

}  // namespace fmserve::s3
