// Publishing into a folder; the other end of DirectorySource.
#ifndef FMSERVE_LOADER_DIRECTORY_TARGET_H_
#define FMSERVE_LOADER_DIRECTORY_TARGET_H_

#include <optional>
#include <string>

#include "loader/file_util.h"
#include "loader/publish_target.h"
#include "model/atomic_file.h"

namespace fmserve::loader {

// Holds the folder's lock from Claim on, so that versions are published one after the other.
class DirectoryTarget : public PublishTarget {
 public:
  DirectoryTarget(const PublishOptions& options, Artifact artifact)
      : options_(options),
        artifact_(artifact),
        folder_(StoreFolder(options.store, options.model, artifact)) {}

  absl::StatusOr<uint64_t> Claim(uint64_t size_bytes) override;
  absl::Status Append(std::span<const std::byte> bytes) override { return file_->Append(bytes); }
  absl::Status Finish() override { return file_->Commit(model::AtomicFile::IfExists::kRefuse); }
  absl::Status AddDelta(Manifest& manifest, model::Checkpoint checkpoint) override;
  absl::Status Commit(const Manifest& manifest) override;

 private:
  absl::StatusOr<uint64_t> NextVersion() const;

  const PublishOptions options_;
  const Artifact artifact_;
  const std::string folder_;
  std::optional<FolderLock> lock_;
  std::optional<model::AtomicFile> file_;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_DIRECTORY_TARGET_H_
