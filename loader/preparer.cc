#include "loader/preparer.h"

#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "loader/cached_snapshot.h"
#include "loader/sha256.h"
#include "loader/warmup.h"
#include "model/atomic_file.h"

namespace fmserve::loader {
namespace {

using Outcome = Prepared::Outcome;

Prepared Fail(absl::Status failure) {
  return {.outcome = Outcome::kFailed, .failure = std::move(failure)};
}

Prepared Reject(const PrepareJob& job, const std::string& fingerprint, std::string_view gate,
                std::string detail) {
  return {.outcome = Outcome::kRejected,
          .rejection = {.version = job.manifest.version,
                        .sha256 = job.manifest.sha256,
                        .fingerprint = fingerprint,
                        .gate = std::string(gate),
                        .detail = std::move(detail),
                        .size_bytes = job.manifest.size_bytes,
                        .published_unix_us = job.manifest.published_unix_us}};
}

// The content is good, but not together with the other artifact.
Prepared RejectMisfit(const PrepareJob& job, const std::string& fingerprint, std::string_view gate,
                      std::string detail) {
  Prepared rejected = Reject(job, fingerprint, gate, std::move(detail));
  rejected.rejection.partner = job.partner;
  return rejected;
}

// The file lies under a temporary name that tells an operator nothing.
Prepared RejectStructure(const PrepareJob& job, const std::string& fingerprint,
                         const std::string& path, const absl::Status& status) {
  const absl::string_view what = status.message();
  return Reject(job, fingerprint, "structure",
                std::string(absl::StripPrefix(what, absl::StrCat(path, ": "))));
}

// Whether an error speaks of the content, so that trying again is in vain.
bool BlamesContent(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsDataLoss(status) ||
         absl::IsUnimplemented(status);
}

// Writes what a source streams to a file, hashing on the way.
class HashingCopy {
 public:
  HashingCopy(model::AtomicFile& file, uint64_t max_bytes) : file_(file), max_bytes_(max_bytes) {}

  absl::Status Append(std::span<const std::byte> bytes) {
    if (bytes.size() > max_bytes_ - file_.size_bytes()) {
      too_long_ = true;
      return absl::OutOfRangeError(absl::StrCat("more than ", max_bytes_, " bytes"));
    }
    hash_.Update(bytes);
    return file_.Append(bytes);
  }

  uint64_t max_bytes() const { return max_bytes_; }
  uint64_t size_bytes() const { return file_.size_bytes(); }
  bool too_long() const { return too_long_; }
  std::string HexDigest() { return hash_.HexDigest(); }

 private:
  model::AtomicFile& file_;
  const uint64_t max_bytes_;
  bool too_long_ = false;
  Sha256 hash_;
};

}  // namespace

Prepared Preparer::Run(const PrepareJob& job, model::Checkpoint checkpoint,
                       const Progress& progress) {
  if (job.cached) {
    Prepared prepared =
        Verify(job, cache_.Path(job.artifact, job.manifest.version), "", checkpoint, progress);
    const bool broken =
        prepared.outcome == Outcome::kRejected && prepared.rejection.gate == "structure";
    if (!broken && prepared.outcome != Outcome::kFailed) return prepared;
    // The copy has suffered, not what was published: fetching it again heals.
  }
  return Fetch(job, checkpoint, progress);
}

Prepared Preparer::Fetch(const PrepareJob& job, model::Checkpoint checkpoint,
                         const Progress& progress) {
  if (absl::Status status = checkpoint(); !status.ok()) return Fail(std::move(status));
  progress(LoadState::kFetching);
  Source& source = job.artifact == Artifact::kWeights ? weights_ : *catalogues_;
  const absl::StatusOr<std::string> fingerprint = source.Fingerprint(job.manifest.version);
  if (!fingerprint.ok()) return Fail(fingerprint.status());
  if (job.artifact != Artifact::kWeights || job.manifest.deltas.empty())
    return FetchWhole(job, *fingerprint, checkpoint, progress);
  const DeltaBase base{.file = job.serving == nullptr ? nullptr : &job.serving->file(),
                       .sha256 = job.serving_sha256};
  DeltaBuild built = BuildFromDelta(source, cache_, job.manifest, base, checkpoint);
  if (!built.interrupted.ok()) return Fail(std::move(built.interrupted));
  Prepared prepared = built.file ? Keep(job, *fingerprint, *built.file, checkpoint, progress)
                                 : FetchWhole(job, *fingerprint, checkpoint, progress);
  prepared.delta = std::move(built.report);
  return prepared;
}

Prepared Preparer::FetchWhole(const PrepareJob& job, const std::string& fingerprint,
                              model::Checkpoint checkpoint, const Progress& progress) {
  const Manifest& manifest = job.manifest;
  Source& source = job.artifact == Artifact::kWeights ? weights_ : *catalogues_;
  const bool named = !manifest.sha256.empty();
  absl::StatusOr<model::AtomicFile> file = model::AtomicFile::Create(
      cache_.Path(job.artifact, manifest.version), model::AtomicFile::Writing::kDirect);
  if (!file.ok()) return Fail(file.status());
  HashingCopy copy(*file, named ? manifest.size_bytes : options_.gates.max_file_bytes);
  const absl::Status status = source.Fetch(manifest.version, [&](std::span<const std::byte> bytes) {
    const absl::Status appended = copy.Append(bytes);
    return appended.ok() ? checkpoint() : appended;
  });
  if (copy.too_long()) {
    return Reject(job, fingerprint, named ? "checksum" : "size",
                  absl::StrCat("the file has more than the ", copy.max_bytes(), " bytes that the ",
                               named ? "manifest says" : "server takes"));
  }
  if (BlamesContent(status))
    return Reject(job, fingerprint, "fetch", std::string(status.message()));
  if (!status.ok()) return Fail(status);
  PrepareJob fetched = job;
  fetched.manifest.size_bytes = copy.size_bytes();
  fetched.manifest.sha256 = copy.HexDigest();
  if (named && fetched.manifest.size_bytes != manifest.size_bytes) {
    return Reject(job, fingerprint, "checksum",
                  absl::StrCat("the file has ", copy.size_bytes(), " bytes, the manifest says ",
                               manifest.size_bytes));
  }
  if (named && fetched.manifest.sha256 != manifest.sha256) {
    return Reject(job, fingerprint, "checksum",
                  absl::StrCat("the file's SHA-256 is ", fetched.manifest.sha256,
                               ", the manifest says ", manifest.sha256));
  }
  if (absl::Status flushed = file->Flush(); !flushed.ok()) return Fail(std::move(flushed));
  Prepared prepared = Keep(fetched, fingerprint, *file, checkpoint, progress);
  if (prepared.outcome != Outcome::kReady) prepared.rejection.sha256 = manifest.sha256;
  return prepared;
}

// Verifies what lies in `file`, whole and flushed, and gives it its name.
Prepared Preparer::Keep(const PrepareJob& fetched, const std::string& fingerprint,
                        model::AtomicFile& file, model::Checkpoint checkpoint,
                        const Progress& progress) {
  Prepared prepared = Verify(fetched, file.temporary_path(), fingerprint, checkpoint, progress);
  prepared.manifest.deltas.clear();  // of no use to who has the file
  if (prepared.outcome != Outcome::kReady) return prepared;
  if (absl::Status committed = file.Commit(); !committed.ok()) return Fail(std::move(committed));
  return prepared;
}

Prepared Preparer::Verify(const PrepareJob& job, const std::string& path,
                          const std::string& fingerprint, model::Checkpoint checkpoint,
                          const Progress& progress) {
  progress(LoadState::kVerifying);
  return job.artifact == Artifact::kWeights
             ? VerifyWeights(job, path, fingerprint, checkpoint, progress)
             : VerifyCatalogue(job, path, fingerprint, checkpoint, progress);
}

Prepared Preparer::VerifyWeights(const PrepareJob& job, const std::string& path,
                                 const std::string& fingerprint, model::Checkpoint checkpoint,
                                 const Progress& progress) {
  absl::StatusOr<std::shared_ptr<const model::WeightFile>> file =
      model::WeightFile::Open(path, checkpoint);
  if (!file.ok()) {
    if (!BlamesContent(file.status())) return Fail(file.status());
    return RejectStructure(job, fingerprint, path, file.status());
  }
  const auto snapshot = std::make_shared<Snapshot>(*std::move(file), *options_.kernels);
  const GateResult gates = RunGates(options_.gates, {.model = options_.model,
                                                     .version = job.manifest.version,
                                                     .candidate = snapshot.get(),
                                                     .serving = job.serving.get(),
                                                     .operator_asked = job.operator_asked});
  if (!gates.passed) return Reject(job, fingerprint, gates.gate, gates.detail);
  progress(LoadState::kWarming);
  const absl::Status warmed = Warm(snapshot->file(), checkpoint);
  if (!warmed.ok()) return Fail(warmed);
  snapshot->MeasureHugePages();
  if (job.serving != nullptr && job.serving->catalogue() != nullptr)
    return FoldWithWeights(job, fingerprint, snapshot, checkpoint, progress);
  return {.outcome = Outcome::kReady, .snapshot = snapshot, .manifest = job.manifest};
}

Prepared Preparer::FoldWithWeights(const PrepareJob& job, const std::string& fingerprint,
                                   const std::shared_ptr<const Snapshot>& weights,
                                   model::Checkpoint checkpoint, const Progress& progress) {
  absl::StatusOr<std::shared_ptr<const Snapshot>> folded =
      FoldSnapshot(options_, *weights, job.serving->shared_catalogue()->shared_file(), checkpoint);
  if (folded.ok()) {
    return {.outcome = Outcome::kReady, .snapshot = *std::move(folded), .manifest = job.manifest};
  }
  if (!IsMisfit(folded.status())) return Fail(folded.status());
  for (const CatalogueChoice& choice : job.other_catalogues) {
    Prepared pair = Run({.artifact = Artifact::kCatalogue,
                         .manifest = choice.manifest,
                         .cached = choice.cached,
                         .serving = weights},
                        checkpoint, progress);
    if (pair.outcome == Outcome::kRejected) continue;
    if (pair.outcome == Outcome::kFailed) return pair;
    pair.other_catalogue = std::exchange(pair.manifest, job.manifest);
    return pair;
  }
  return RejectMisfit(job, fingerprint, "catalogue",
                      absl::StrCat("catalogue version ", job.serving->catalogue_version(),
                                   " cannot be folded with it: ", folded.status().message(),
                                   "; it is tried again with the next catalogue"));
}

Prepared Preparer::VerifyCatalogue(const PrepareJob& job, const std::string& path,
                                   const std::string& fingerprint, model::Checkpoint checkpoint,
                                   const Progress& progress) const {
  absl::StatusOr<std::shared_ptr<const model::CatalogueFile>> file =
      model::CatalogueFile::Open(path, checkpoint);
  if (!file.ok()) {
    if (!BlamesContent(file.status())) return Fail(file.status());
    return RejectStructure(job, fingerprint, path, file.status());
  }
  const GateResult gates =
      RunCatalogueGates(options_.gates, options_.model, job.manifest.version, **file);
  if (!gates.passed) return Reject(job, fingerprint, gates.gate, gates.detail);
  progress(LoadState::kWarming);
  const absl::Status warmed = Warm(**file, checkpoint);
  if (!warmed.ok()) return Fail(warmed);
  absl::StatusOr<std::shared_ptr<const Snapshot>> folded =
      FoldSnapshot(options_, *job.serving, *std::move(file), checkpoint);
  if (folded.ok()) {
    return {.outcome = Outcome::kReady, .snapshot = *std::move(folded), .manifest = job.manifest};
  }
  if (!IsMisfit(folded.status())) return Fail(folded.status());
  return RejectMisfit(
      job, fingerprint, "weights",
      absl::StrCat("it cannot be folded with weights of version ", job.serving->version(), ": ",
                   folded.status().message(), "; it is tried again with the next weights"));
}

}  // namespace fmserve::loader
