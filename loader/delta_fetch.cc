#include "loader/delta_fetch.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "loader/file_util.h"
#include "loader/hashing_copy.h"
#include "loader/sha256.h"
#include "model/mapped_file.h"
#include "model/weight_delta.h"

namespace fmserve::loader {
namespace {

using model::AtomicFile;

// Thrown away with the object: nothing is ever committed under this name.
std::string ScratchPath(const Cache& cache, const Manifest& manifest) {
  return absl::StrCat(cache.Path(Artifact::kWeights, manifest.version), ".delta");
}

// One build. `interrupted` is what the checkpoint said, if anything.
class DeltaBuilder {
 public:
  DeltaBuilder(Source& source, const Cache& cache, const FetchJob& job, const ManifestDelta& delta,
               model::Checkpoint checkpoint)
      : source_(source),
        cache_(cache),
        manifest_(job.manifest),
        bytes_per_s_(job.bytes_per_s),
        delta_(delta),
        checkpoint_(checkpoint) {}

  DeltaBuild Run(const model::WeightFile& base) {
    absl::Status status = CheckRoom(
        cache_.folder(), absl::StrCat("building version ", manifest_.version, " from a delta"),
        {manifest_.size_bytes, delta_.size_bytes});
    if (!status.ok()) return Ended(DeltaOutcome::kFetchFailed, status);
    absl::StatusOr<AtomicFile> delta_file =
        AtomicFile::Create(ScratchPath(cache_, manifest_), AtomicFile::Writing::kDirect);
    if (!delta_file.ok()) return Ended(DeltaOutcome::kFetchFailed, delta_file.status());
    status = Download(*delta_file);
    if (!status.ok()) return EndedBy(status);
    absl::StatusOr<AtomicFile> file = AtomicFile::Create(
        cache_.Path(Artifact::kWeights, manifest_.version), AtomicFile::Writing::kDirect);
    if (!file.ok()) return Ended(DeltaOutcome::kFetchFailed, file.status());
    status = Apply(base, delta_file->temporary_path(), *file);
    if (!status.ok()) return EndedBy(status);
    cache_.RemovePartialFiles(Artifact::kWeights, "", [this] { return Step(); }).IgnoreError();
    if (!interrupted_.ok()) return EndedBy(interrupted_);
    return {.report = {.outcome = DeltaOutcome::kApplied}, .file = *std::move(file)};
  }

 private:
  DeltaBuild Ended(DeltaOutcome outcome, const absl::Status& status) const {
    return {.report = {.outcome = outcome,
                       .detail = absl::StrCat("delta ", delta_.file, ": ", status.message())},
            .interrupted = interrupted_};
  }

  DeltaBuild EndedBy(const absl::Status& status) const {
    return Ended(BlamesContent(status) ? DeltaOutcome::kMismatch : DeltaOutcome::kFetchFailed,
                 status);
  }

  absl::Status Step() {
    if (interrupted_.ok()) interrupted_ = checkpoint_();
    return interrupted_;
  }

  // DataLoss when it is not what the manifest says.
  absl::Status Download(AtomicFile& file) {
    HashingCopy copy(file, delta_.size_bytes, bytes_per_s_);
    const absl::Status fetched =
        source_.FetchDelta(delta_.file, [&](std::span<const std::byte> bytes) {
          return copy.Append(bytes, [this] { return Step(); });
        });
    if (copy.too_long()) {
      return absl::DataLossError(
          absl::StrCat("more than the ", delta_.size_bytes, " bytes that the manifest says"));
    }
    if (!fetched.ok()) return fetched;
    const std::string sha256 = copy.HexDigest();
    if (copy.size_bytes() == delta_.size_bytes && sha256 == delta_.sha256) return file.Flush();
    return absl::DataLossError(absl::StrCat(copy.size_bytes(), " bytes with SHA-256 ", sha256,
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
  const uint64_t bytes_per_s_;
  const ManifestDelta& delta_;
  const model::Checkpoint checkpoint_;
  absl::Status interrupted_;
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

DeltaBuild BuildFromDelta(Source& source, const Cache& cache, const FetchJob& job,
                          const DeltaBase& base, model::Checkpoint checkpoint) {
  const std::vector<ManifestDelta>& deltas = job.manifest.deltas;
  const auto fits = std::ranges::find_if(deltas, [&](const ManifestDelta& delta) {
    return base.file != nullptr && delta.base_sha256 == base.sha256;
  });
  if (fits == deltas.end()) return {};
  return DeltaBuilder(source, cache, job, *fits, checkpoint).Run(*base.file);
}

}  // namespace fmserve::loader
