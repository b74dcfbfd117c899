#include "loader/publisher.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "loader/directory_target.h"
#include "loader/file_util.h"
#include "loader/gate.h"
#include "loader/pacer.h"
#include "loader/publish_target.h"
#include "loader/s3_target.h"
#include "loader/sha256.h"
#include "loader/store.h"
#include "model/catalogue_file.h"
#include "model/checkpoint.h"
#include "model/weight_format.h"
#include "model/weight_writer.h"

namespace fmserve::loader {
namespace {

constexpr size_t kCopyBytes = model::kCheckpointBytes;
static_assert(kCopyBytes >= sizeof(model::format::FileHeader) +
                                model::format::kMaxSections * sizeof(model::format::SectionEntry),
              "StampHeader needs header and section table in one piece");

absl::Status CheckFit(const std::string& path, const PublishOptions& options,
                      const model::KernelTable& kernels, Pacer& pacer) {
  absl::StatusOr<std::shared_ptr<const model::WeightFile>> file =
      model::WeightFile::Open(path, [&pacer] { return pacer.Step(); });
  if (!file.ok()) return file.status();
  const Snapshot snapshot(*std::move(file), kernels);
  const GateOptions gates{.max_file_bytes = std::numeric_limits<uint64_t>::max(),
                          .golden_tolerance = options.golden_tolerance,
                          .allow_no_goldens = options.allow_no_goldens};
  const model::WeightInfo& info = snapshot.file().info();
  const GateResult result =
      RunGates(gates, {.model = info.model_name, .version = info.version, .candidate = &snapshot});
  if (result.passed) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, ": is not fit to serve: ", result.detail));
}

// What is published is read once more after it was checked: it must still be the same.
struct FileState {
  uint64_t size_bytes = 0;
  int64_t modified_s = 0;
  int64_t modified_ns = 0;

  bool operator==(const FileState&) const = default;
};

absl::StatusOr<FileState> StateOf(const FileDescriptor& file, const std::string& path) {
  struct stat stat = {};
  if (fstat(file.get(), &stat) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot stat"));
  return FileState{static_cast<uint64_t>(stat.st_size), stat.st_mtim.tv_sec, stat.st_mtim.tv_nsec};
}

// Copies `file` with the header of manifest.model and manifest.version; fills in size and SHA-256.
absl::Status CopyStamped(const FileDescriptor& file, const std::string& path,
                         const PublishOptions& options, uint64_t size_bytes, PublishTarget& target,
                         Manifest& manifest, Pacer& pacer) {
  Sha256 hash;
  std::vector<std::byte> buffer(kCopyBytes);
  while (true) {
    const absl::StatusOr<size_t> count = ReadFull(file, buffer, path);
    if (!count.ok()) return count.status();
    if (*count == 0) break;
    const std::span<std::byte> bytes = std::span(buffer).first(*count);
    if (manifest.size_bytes == 0) {
      const absl::Status status = model::StampHeader(bytes, manifest.model, manifest.version);
      if (!status.ok()) return status;
    }
    hash.Update(bytes);
    if (absl::Status status = target.Append(bytes); !status.ok()) return status;
    manifest.size_bytes += bytes.size();
    if (options.progress) options.progress(manifest.size_bytes, size_bytes);
    if (absl::Status status = pacer.Step(); !status.ok()) return status;
  }
  manifest.sha256 = hash.HexDigest();
  return absl::OkStatus();
}

// A version does not wait for a delta that nobody asked for by name.
absl::Status AddDelta(PublishTarget& target, const PublishOptions& options, Manifest& manifest,
                      Pacer& pacer) {
  absl::Status added = target.AddDelta(manifest, [&pacer] { return pacer.Step(); });
  if (added.ok() || options.delta_from != PublishOptions::DeltaFrom::kAuto) return added;
  if (options.without_delta) options.without_delta(added);
  return absl::OkStatus();
}

// Copies what was found fit to serve.
absl::StatusOr<Manifest> PublishFit(const std::string& path, const PublishOptions& options,
                                    Artifact artifact, Pacer& pacer) {
  const absl::StatusOr<FileDescriptor> file = OpenRegularFile(path);
  if (!file.ok()) return file.status();
  const absl::StatusOr<FileState> before = StateOf(*file, path);
  if (!before.ok()) return before.status();
  const absl::StatusOr<std::unique_ptr<PublishTarget>> target = OpenTarget(options, artifact);
  if (!target.ok()) return target.status();
  const absl::StatusOr<uint64_t> version = (*target)->Claim(before->size_bytes);
  if (!version.ok()) return version.status();
  Manifest manifest{.model = options.model, .version = *version};
  absl::Status status =
      CopyStamped(*file, path, options, before->size_bytes, **target, manifest, pacer);
  if (!status.ok()) return status;
  const absl::StatusOr<FileState> after = StateOf(*file, path);
  if (!after.ok()) return after.status();
  if (*before != *after) {
    return absl::AbortedError(
        absl::StrCat(path, ": changed while it was copied; publish it again"));
  }
  status = (*target)->Finish();
  if (!status.ok()) return status;
  if (artifact == Artifact::kWeights) {
    status = AddDelta(**target, options, manifest, pacer);
    if (!status.ok()) return status;
  }
  manifest.published_unix_us = static_cast<uint64_t>(absl::ToUnixMicros(absl::Now()));
  status = (*target)->Commit(manifest);
  if (!status.ok()) return status;
  return manifest;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PublishTarget>> OpenTarget(const PublishOptions& options,
                                                          Artifact artifact) {
  if (!IsS3Store(options.store)) return std::make_unique<DirectoryTarget>(options, artifact);
  const absl::StatusOr<s3::Location> location = s3::ParseUrl(options.store);
  if (!location.ok()) return location.status();
  absl::StatusOr<std::unique_ptr<s3::Client>> client =
      s3::Client::Create(location->bucket, options.s3);
  if (!client.ok()) return client.status();
  return std::make_unique<S3Target>(*std::move(client), *location, options, artifact);
}

absl::StatusOr<Manifest> Publish(const std::string& path, const PublishOptions& options,
                                 const model::KernelTable& kernels) {
  if (absl::Status status = CheckModelName(options.model); !status.ok()) return status;
  Pacer pacer({});  // the machine may be one that serves
  if (absl::Status status = CheckFit(path, options, kernels, pacer); !status.ok()) return status;
  return PublishFit(path, options, Artifact::kWeights, pacer);
}

absl::StatusOr<Manifest> PublishCatalogue(const std::string& path, const PublishOptions& options) {
  if (absl::Status status = CheckModelName(options.model); !status.ok()) return status;
  Pacer pacer({});
  const absl::Status readable =
      model::CatalogueFile::Open(path, [&pacer] { return pacer.Step(); }).status();
  if (!readable.ok()) return readable;
  return PublishFit(path, options, Artifact::kCatalogue, pacer);
}

}  // namespace fmserve::loader
