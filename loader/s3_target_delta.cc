// How a publisher to S3 leaves a delta: made on its own disk, of a copy of what it uploads and of
// the base, which it fetches.
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "loader/file_util.h"
#include "loader/patiently.h"
#include "loader/publish_delta.h"
#include "loader/s3_source.h"
#include "loader/s3_target.h"

namespace fmserve::loader {

// By name it is better to fail before a long upload.
absl::Status S3Target::OpenScratch(uint64_t size_bytes, const Manifest& current) {
  const bool by_name = options_.delta_from == PublishOptions::DeltaFrom::kFile;
  const bool automatic =
      options_.delta_from == PublishOptions::DeltaFrom::kAuto && current.version > 0;
  if (artifact_ != Artifact::kWeights || (!by_name && !automatic)) return absl::OkStatus();
  scratch_ = PublishScratch::Create(version_, size_bytes, automatic ? current.size_bytes : 0);
  return by_name ? scratch_.status() : absl::OkStatus();
}

absl::Status S3Target::AddDelta(Manifest& manifest, model::Checkpoint checkpoint) {
  if (!scratch_.ok()) return scratch_.status();
  const std::unique_ptr<PublishScratch> scratch = *std::exchange(scratch_, nullptr);
  if (scratch == nullptr) return absl::OkStatus();
  if (absl::Status status = scratch->Finish(); !status.ok()) return status;
  const absl::StatusOr<DeltaBaseFile> base = BringBase(*scratch, checkpoint);
  if (!base.ok()) return base.status();
  if (base->path.empty()) return absl::OkStatus();
  absl::StatusOr<std::optional<ManifestDelta>> delta =
      WritePublishedDelta(base->path, base->sha256, scratch->folder(), manifest, checkpoint);
  if (!delta.ok()) return delta.status();
  if (!*delta) return absl::OkStatus();
  const absl::Status uploaded =
      UploadDelta(absl::StrCat(scratch->folder(), "/", (*delta)->file), **delta);
  if (uploaded.ok()) manifest.deltas.push_back(**std::move(delta));
  return uploaded;
}

// What the manifest names by now, which servers have, or soon will. None when somebody was faster:
// then Commit says so.
absl::StatusOr<S3Target::DeltaBaseFile> S3Target::BringBase(PublishScratch& scratch,
                                                            model::Checkpoint checkpoint) const {
  if (options_.delta_from == PublishOptions::DeltaFrom::kFile)
    return DeltaBaseFile{.path = options_.delta_base};
  const absl::StatusOr<Current> current = ReadCurrent();
  if (!current.ok()) return current.status();
  const Manifest& manifest = current->manifest;
  if (manifest.version == 0 || manifest.version >= version_) return DeltaBaseFile();
  S3Source source(client_, location_, options_.model);
  absl::StatusOr<std::string> path = scratch.FetchBase(source, manifest, checkpoint);
  if (!path.ok()) return path.status();
  return DeltaBaseFile{.path = *std::move(path), .sha256 = manifest.sha256};
}

// Not on the condition that there is none yet: the number is ours, and an answer may get lost.
absl::Status S3Target::UploadDelta(const std::string& path, const ManifestDelta& delta) const {
  const std::string key = Key(delta.file);
  if (delta.size_bytes <= MultipartUpload::kMinPartBytes) {
    const absl::StatusOr<std::string> bytes =
        ReadSmallFile(path, static_cast<size_t>(delta.size_bytes));
    if (!bytes.ok()) return bytes.status();
    return Patiently([&] { return client_->Put(key, std::as_bytes(std::span(*bytes))); }).status();
  }
  const absl::StatusOr<FileDescriptor> file = OpenRegularFile(path);
  if (!file.ok()) return file.status();
  absl::StatusOr<std::unique_ptr<MultipartUpload>> upload =
      MultipartUpload::Begin(client_, key, delta.size_bytes);
  if (!upload.ok()) return upload.status();
  std::vector<std::byte> buffer(model::kCheckpointBytes);
  while (true) {
    const absl::StatusOr<size_t> count = ReadFull(*file, buffer, path);
    if (!count.ok()) return count.status();
    if (*count == 0) return (*upload)->Complete();
    const absl::Status appended = (*upload)->Append(std::span(buffer).first(*count));
    if (!appended.ok()) return appended;
  }
}

}  // namespace fmserve::loader
