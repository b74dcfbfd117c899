// A folder for files that nobody needs when the program has ended.
#ifndef FMSERVE_LOADER_SCRATCH_FOLDER_H_
#define FMSERVE_LOADER_SCRATCH_FOLDER_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "loader/file_util.h"

namespace fmserve::loader {

// Gone, with what lies in it, with the object. Movable.
class ScratchFolder {
 public:
  // In `parent`; nobody but its user may look into it. Removes folders like it that programs of
  // this user left there when they were killed.
  static absl::StatusOr<ScratchFolder> Create(const std::string& parent);

  ScratchFolder(ScratchFolder&& other) noexcept
      : path_(std::exchange(other.path_, "")), lock_(std::move(other.lock_)) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder();

  const std::string& path() const { return path_; }

 private:
  ScratchFolder(std::string path, FolderLock lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;  // empty: moved from
  FolderLock lock_;   // tells others that somebody is at work in it
};

// $TMPDIR, or /tmp.
std::string TemporaryFolder();

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_SCRATCH_FOLDER_H_
