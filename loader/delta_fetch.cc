#include "loader/delta_fetch.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/delta.h"
#include "loader/sha256.h"
#include "model/mapped_file.h"

namespace fmserve::loader {
namespace {

using model::AtomicFile;

// Thrown away with the object: nothing is ever committed under this name.
std::string ScratchPath(const Cache& cache, const Manifest& manifest) {
  return absl::StrCat(cache.Path(Artifact::kWeights, manifest.version), ".delta");
}

// Whether an error of applying it speaks of the delta, not of a full disk.
bool BlamesDelta(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsDataLoss(status) ||
         absl::IsUnimplemented(status);
}

// One build. `interrupted` is what the checkpoint said, if anything.
class DeltaBuilder {
 public:
  DeltaBuilder(Source& source, const Cache& cache, const Manifest& manifest,
               const ManifestDelta& delta, model::Checkpoint checkpoint)
      : source_(source),
        cache_(cache),
        manifest_(manifest),
        delta_(delta),
        checkpoint_(checkpoint) {}

  DeltaBuild Run(const model::WeightFile& base) {
    DeltaBuild build;
    absl::StatusOr<AtomicFile> delta_file =
        AtomicFile::Create(ScratchPath(cache_, manifest_), AtomicFile::Writing::kDirect);
    absl::Status status = delta_file.ok() ? Download(*delta_file) : delta_file.status();
    if (absl::IsOutOfRange(status)) return Ended(DeltaOutcome::kMismatch, status);
    if (!status.ok()) return Ended(DeltaOutcome::kFetchFailed, status);
    status = CheckDownload();
    if (!status.ok()) return Ended(DeltaOutcome::kMismatch, status);
    absl::StatusOr<AtomicFile> file = AtomicFile::Create(
        cache_.Path(Artifact::kWeights, manifest_.version), AtomicFile::Writing::kDirect);
    if (!file.ok()) return Ended(DeltaOutcome::kFetchFailed, file.status());
    status = Apply(base, delta_file->temporary_path(), *file);
    if (!status.ok()) {
      return Ended(BlamesDelta(status) ? DeltaOutcome::kMismatch : DeltaOutcome::kFetchFailed,
                   status);
    }
    build.report.outcome = DeltaOutcome::kApplied;
    build.file = *std::move(file);
    return build;
  }

 private:
  DeltaBuild Ended(DeltaOutcome outcome, const absl::Status& status) const {
    return {.report = {.outcome = outcome,
                       .detail = absl::StrCat("delta ", delta_.file, ": ", status.message())},
            .interrupted = interrupted_};
  }

  absl::Status Step() {
    if (interrupted_.ok()) interrupted_ = checkpoint_();
    return interrupted_;
  }

  absl::Status Download(AtomicFile& file) {
    const absl::Status fetched =
        source_.FetchDelta(delta_.file, [&](std::span<const std::byte> bytes) {
          if (bytes.size() > delta_.size_bytes - file.size_bytes())
            return absl::OutOfRangeError(
                absl::StrCat("more than the ", delta_.size_bytes, " bytes that the manifest says"));
          hash_.Update(bytes);
          const absl::Status appended = file.Append(bytes);
          return appended.ok() ? Step() : appended;
        });
    if (!fetched.ok()) return fetched;
    downloaded_bytes_ = file.size_bytes();
    return file.Flush();
  }

  absl::Status CheckDownload() {
    const std::string sha256 = hash_.HexDigest();
    if (downloaded_bytes_ == delta_.size_bytes && sha256 == delta_.sha256) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(downloaded_bytes_, " bytes with SHA-256 ", sha256,
                                            ", the manifest says ", delta_.size_bytes, " and ",
                                            delta_.sha256));
  }

  absl::Status Apply(const model::WeightFile& base, const std::string& delta_path,
                     AtomicFile& file) {
    const auto step = [this] { return Step(); };
    const absl::StatusOr<model::MappedFile> mapping = model::MappedFile::Open(delta_path);
    if (!mapping.ok()) return mapping.status();
    const absl::StatusOr<model::DeltaFile> delta =
        model::DeltaFile::FromBytes(mapping->bytes(), step);
    if (!delta.ok()) return delta.status();
    if (delta->info().result_size != manifest_.size_bytes)
      return absl::DataLossError("its result has another size than the manifest says");
    Sha256 hash;
    const absl::Status applied = delta->Apply(
        base, manifest_.size_bytes,
        [&](std::span<const std::byte> bytes) {
          hash.Update(bytes);
          return file.Append(bytes);
        },
        step);
    if (!applied.ok()) return applied;
    const std::string sha256 = hash.HexDigest();
    if (sha256 == manifest_.sha256) return file.Flush();
    return absl::DataLossError(absl::StrCat("its result has the SHA-256 ", sha256,
                                            ", the manifest says ", manifest_.sha256));
  }

  Source& source_;
  const Cache& cache_;
  const Manifest& manifest_;
  const ManifestDelta& delta_;
  const model::Checkpoint checkpoint_;
  absl::Status interrupted_;
  Sha256 hash_;
  uint64_t downloaded_bytes_ = 0;
};

}  // namespace

std::string_view Name(DeltaOutcome outcome) {
  switch (outcome) {
    case DeltaOutcome::kApplied:
      return "applied";
    case DeltaOutcome::kNoBase:
      return "no_base";
    case DeltaOutcome::kFetchFailed:
      return "fetch_failed";
    case DeltaOutcome::kMismatch:
      break;
  }
  return "mismatch";
}

DeltaBuild BuildFromDelta(Source& source, const Cache& cache, const Manifest& manifest,
                          const DeltaBase& base, model::Checkpoint checkpoint) {
  const auto fits = std::ranges::find_if(manifest.deltas, [&](const ManifestDelta& delta) {
    return base.file != nullptr && delta.base_sha256 == base.sha256;
  });
  if (fits == manifest.deltas.end()) return {};
  return DeltaBuilder(source, cache, manifest, *fits, checkpoint).Run(*base.file);
}

}  // namespace fmserve::loader
