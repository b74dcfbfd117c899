#include "loader/directory_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "loader/file_util.h"
#include "model/checkpoint.h"

namespace fmserve::loader {
namespace {

constexpr size_t kReadBytes = model::kCheckpointBytes;

std::string FingerprintOf(const struct stat& stat) {
  return absl::StrCat(stat.st_size, "-", stat.st_ino, "-", stat.st_mtim.tv_sec, ".",
                      stat.st_mtim.tv_nsec, "-", stat.st_ctim.tv_sec, ".", stat.st_ctim.tv_nsec);
}

absl::StatusOr<std::string> FingerprintOf(const FileDescriptor& file, const std::string& path) {
  struct stat stat = {};
  if (fstat(file.get(), &stat) == 0) return FingerprintOf(stat);
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot stat"));
}

absl::Status CheckUnchanged(const FileDescriptor& file, const std::string& path,
                            const std::string& fingerprint) {
  const absl::StatusOr<std::string> now = FingerprintOf(file, path);
  if (!now.ok()) return now.status();
  if (*now == fingerprint) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(path, ": changed while it was read"));
}

}  // namespace

DirectorySource::DirectorySource(const std::string& store, const std::string& model,
                                 Artifact artifact)
    : artifact_(artifact), folder_(StoreFolder(store, model, artifact)) {}

std::string DirectorySource::FilePath(uint64_t version) const {
  return absl::StrCat(folder_, "/", FileName(artifact_, version));
}

absl::StatusOr<Manifest> DirectorySource::Poll() {
  if (cancelled_) return absl::CancelledError("the source was cancelled");
  const std::string path = absl::StrCat(folder_, "/", kManifestFileName);
  const absl::StatusOr<std::string> text = ReadSmallFile(path, kMaxManifestBytes);
  if (!text.ok()) return text.status();
  absl::StatusOr<Manifest> manifest = ParseManifest(*text);
  if (manifest.ok()) return manifest;
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", manifest.status().message()));
}

absl::Status DirectorySource::Fetch(uint64_t version, const std::string& fingerprint,
                                    uint64_t begin, const ByteSink& sink) {
  const std::string path = FilePath(version);
  const absl::StatusOr<FileDescriptor> file = OpenRegularFile(path);
  if (!file.ok()) return file.status();
  if (absl::Status status = CheckUnchanged(*file, path, fingerprint); !status.ok()) return status;
  const off_t end = lseek(file->get(), 0, SEEK_END);
  if (end < 0 || static_cast<uint64_t>(end) < begin)
    return absl::OutOfRangeError(absl::StrCat(path, ": ends before byte ", begin));
  if (lseek(file->get(), static_cast<off_t>(begin), SEEK_SET) < 0)
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot seek"));
  if (absl::Status status = Stream(*file, path, sink); !status.ok()) return status;
  return CheckUnchanged(*file, path, fingerprint);
}

absl::Status DirectorySource::FetchDelta(const std::string& name, const ByteSink& sink) {
  const std::string path = absl::StrCat(folder_, "/", name);
  const absl::StatusOr<FileDescriptor> file = OpenRegularFile(path);
  if (!file.ok()) return file.status();
  return Stream(*file, path, sink);
}

absl::Status DirectorySource::Stream(const FileDescriptor& file, const std::string& path,
                                     const ByteSink& sink) const {
  posix_fadvise(file.get(), 0, 0, POSIX_FADV_SEQUENTIAL);  // a hint: failing does no harm
  std::vector<std::byte> buffer(kReadBytes);
  while (true) {
    if (cancelled_) return absl::CancelledError("the source was cancelled");
    const absl::StatusOr<size_t> count = ReadFull(file, buffer, path);
    if (!count.ok()) return count.status();
    if (*count == 0) return absl::OkStatus();
    if (absl::Status status = sink(std::span(buffer).first(*count)); !status.ok()) return status;
  }
}

absl::StatusOr<std::vector<uint64_t>> DirectorySource::ListVersions(size_t limit) {
  std::vector<uint64_t> versions;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(folder_, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::optional<uint64_t> version =
        ParseFileName(artifact_, entry->path().filename().native());
    if (version) versions.push_back(*version);
  }
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat(folder_, ": cannot list"));
  std::sort(versions.begin(), versions.end(), std::greater<>());
  if (versions.size() > limit) versions.resize(limit);
  return versions;
}

absl::StatusOr<std::string> DirectorySource::Fingerprint(uint64_t version) {
  const std::string path = FilePath(version);
  struct stat stat_result = {};
  if (stat(path.c_str(), &stat_result) == 0) return FingerprintOf(stat_result);
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot stat"));
}

std::string DirectorySource::Describe() const { return absl::StrCat("directory ", folder_); }

}  // namespace fmserve::loader
