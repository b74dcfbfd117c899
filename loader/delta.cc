#include "loader/delta.h"

#include <unistd.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <span>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "loader/sha256.h"
#include "model/atomic_file.h"
#include "model/mapped_file.h"
#include "model/weight_file.h"

namespace fmserve::loader {
namespace {

constexpr size_t kHashStepBytes = model::kCheckpointBytes;

absl::StatusOr<std::string> HexDigestOf(std::span<const std::byte> bytes,
                                        model::Checkpoint checkpoint) {
  Sha256 hash;
  while (!bytes.empty()) {
    if (absl::Status status = checkpoint(); !status.ok()) return status;
    const size_t step = std::min(bytes.size(), kHashStepBytes);
    hash.Update(bytes.first(step));
    bytes = bytes.subspan(step);
  }
  return hash.HexDigest();
}

model::Sha256Bytes BytesOf(const std::string& hex) {
  const std::string bytes = absl::HexStringToBytes(hex);
  model::Sha256Bytes sha256{};
  std::ranges::copy(bytes, sha256.begin());
  return sha256;
}

struct HashedFile {
  std::shared_ptr<const model::WeightFile> file;
  std::string sha256;
};

absl::StatusOr<HashedFile> OpenHashed(const std::string& path, model::Checkpoint checkpoint) {
  absl::StatusOr<std::shared_ptr<const model::WeightFile>> file =
      model::WeightFile::Open(path, checkpoint);
  if (!file.ok()) return file.status();
  absl::StatusOr<std::string> sha256 = HexDigestOf((*file)->bytes(), checkpoint);
  if (!sha256.ok()) return sha256.status();
  return HashedFile{.file = *std::move(file), .sha256 = *std::move(sha256)};
}

absl::Status WithPath(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

// Whether the delta at `path` makes of `base` what it says; fills in its size and hash.
absl::Status CheckDelta(const std::string& path, const model::WeightFile& base,
                        model::Checkpoint checkpoint, DeltaSummary& summary) {
  const absl::StatusOr<model::MappedFile> mapping = model::MappedFile::Open(path);
  if (!mapping.ok()) return mapping.status();
  const absl::StatusOr<model::DeltaFile> delta =
      model::DeltaFile::FromBytes(mapping->bytes(), checkpoint);
  if (!delta.ok()) return delta.status();
  Sha256 hash;
  const absl::Status applied = delta->Apply(
      base, std::numeric_limits<uint64_t>::max(),
      [&](std::span<const std::byte> bytes) {
        hash.Update(bytes);
        return absl::OkStatus();
      },
      checkpoint);
  if (!applied.ok()) return applied;
  if (hash.HexDigest() != summary.result_sha256)
    return absl::DataLossError("the result of the delta is not the file that it was made for");
  absl::StatusOr<std::string> sha256 = HexDigestOf(mapping->bytes(), checkpoint);
  if (!sha256.ok()) return sha256.status();
  summary.sha256 = *std::move(sha256);
  summary.size_bytes = mapping->bytes().size();
  return absl::OkStatus();
}

}  // namespace

std::string HexOf(const model::Sha256Bytes& sha256) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(sha256.data()), sha256.size()});
}

absl::StatusOr<DeltaSummary> MakeDelta(const std::string& base, const std::string& result,
                                       const std::string& out, model::Checkpoint checkpoint) {
  const absl::StatusOr<HashedFile> before = OpenHashed(base, checkpoint);
  if (!before.ok()) return before.status();
  const absl::StatusOr<HashedFile> after = OpenHashed(result, checkpoint);
  if (!after.ok()) return after.status();
  const absl::StatusOr<model::DeltaCounts> written =
      model::WriteDelta(*before->file, BytesOf(before->sha256), *after->file,
                        BytesOf(after->sha256), out, checkpoint);
  if (!written.ok()) return written.status();
  DeltaSummary summary{.rows = *written,
                       .base_bytes = before->file->info().file_size,
                       .result_bytes = after->file->info().file_size,
                       .base_sha256 = before->sha256,
                       .result_sha256 = after->sha256};
  const absl::Status works = CheckDelta(out, *before->file, checkpoint, summary);
  if (works.ok()) return summary;
  unlink(out.c_str());
  if (absl::IsCancelled(works)) return works;
  return absl::InternalError(absl::StrCat(out, ": ", works.message()));
}

absl::StatusOr<DeltaSummary> ApplyDelta(const std::string& base, const std::string& delta_path,
                                        const std::string& out, uint64_t max_bytes,
                                        model::Checkpoint checkpoint) {
  const absl::StatusOr<model::MappedFile> mapping = model::MappedFile::Open(delta_path);
  if (!mapping.ok()) return mapping.status();
  const absl::StatusOr<model::DeltaFile> delta =
      model::DeltaFile::FromBytes(mapping->bytes(), checkpoint);
  if (!delta.ok()) return WithPath(delta_path, delta.status());
  const absl::StatusOr<HashedFile> before = OpenHashed(base, checkpoint);
  if (!before.ok()) return before.status();
  const model::DeltaInfo& info = delta->info();
  if (before->sha256 != HexOf(info.base_sha256)) {
    return absl::FailedPreconditionError(
        absl::StrCat(delta_path, ": made for the file with SHA-256 ", HexOf(info.base_sha256),
                     ", but that of ", base, " is ", before->sha256));
  }
  absl::StatusOr<model::AtomicFile> file = model::AtomicFile::Create(out);
  if (!file.ok()) return file.status();
  Sha256 hash;
  const absl::Status applied = delta->Apply(
      *before->file, max_bytes,
      [&](std::span<const std::byte> bytes) {
        hash.Update(bytes);
        return file->Append(bytes);
      },
      checkpoint);
  if (!applied.ok()) return WithPath(delta_path, applied);
  DeltaSummary summary{.size_bytes = mapping->bytes().size(),
                       .base_bytes = info.base_size,
                       .result_bytes = file->size_bytes(),
                       .base_sha256 = before->sha256,
                       .result_sha256 = hash.HexDigest()};
  if (summary.result_sha256 != HexOf(info.result_sha256)) {
    return absl::DataLossError(absl::StrCat(delta_path, ": the result has the SHA-256 ",
                                            summary.result_sha256, ", not ",
                                            HexOf(info.result_sha256), "; take the whole file"));
  }
  if (absl::Status status = file->Commit(); !status.ok()) return status;
  return summary;
}

}  // namespace fmserve::loader
