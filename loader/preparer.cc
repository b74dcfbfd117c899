#include "loader/preparer.h"

#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
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

absl::StatusOr<std::shared_ptr<Snapshot>> OpenSnapshot(const LoaderOptions& options,
                                                       const std::string& path,
                                                       model::Checkpoint checkpoint) {
  absl::StatusOr<std::shared_ptr<const model::WeightFile>> file =
      model::WeightFile::Open(path, checkpoint);
  if (!file.ok()) return file.status();
  return std::make_shared<Snapshot>(*std::move(file), *options.kernels);
}

absl::Status WarmSnapshot(Snapshot& snapshot, model::Checkpoint checkpoint) {
  const absl::Status status = Warm(snapshot.file(), checkpoint);
  snapshot.MeasureHugePages();
  return status;
}

}  // namespace

Prepared Preparer::Run(const PrepareJob& job, model::Checkpoint checkpoint,
                       const Progress& progress) {
  if (job.cached) {
    Prepared prepared =
        Verify(job, cache_.WeightPath(job.manifest.version), "", checkpoint, progress);
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
  const Manifest& manifest = job.manifest;
  const bool named = !manifest.sha256.empty();
  const absl::StatusOr<std::string> fingerprint = source_.Fingerprint(manifest.version);
  if (!fingerprint.ok()) return Fail(fingerprint.status());
  absl::StatusOr<model::AtomicFile> file = model::AtomicFile::Create(
      cache_.WeightPath(manifest.version), model::AtomicFile::Writing::kDirect);
  if (!file.ok()) return Fail(file.status());
  HashingCopy copy(*file, named ? manifest.size_bytes : options_.gates.max_file_bytes);
  const absl::Status status =
      source_.Fetch(manifest.version, [&](std::span<const std::byte> bytes) {
        const absl::Status appended = copy.Append(bytes);
        return appended.ok() ? checkpoint() : appended;
      });
  if (copy.too_long()) {
    return Reject(job, *fingerprint, named ? "checksum" : "size",
                  absl::StrCat("the file has more than the ", copy.max_bytes(), " bytes that the ",
                               named ? "manifest says" : "server takes"));
  }
  if (BlamesContent(status))
    return Reject(job, *fingerprint, "fetch", std::string(status.message()));
  if (!status.ok()) return Fail(status);
  PrepareJob fetched = job;
  fetched.manifest.size_bytes = copy.size_bytes();
  fetched.manifest.sha256 = copy.HexDigest();
  if (named && fetched.manifest.size_bytes != manifest.size_bytes) {
    return Reject(job, *fingerprint, "checksum",
                  absl::StrCat("the file has ", copy.size_bytes(), " bytes, the manifest says ",
                               manifest.size_bytes));
  }
  if (named && fetched.manifest.sha256 != manifest.sha256) {
    return Reject(job, *fingerprint, "checksum",
                  absl::StrCat("the file's SHA-256 is ", fetched.manifest.sha256,
                               ", the manifest says ", manifest.sha256));
  }
  if (absl::Status flushed = file->Flush(); !flushed.ok()) return Fail(std::move(flushed));
  Prepared prepared = Verify(fetched, file->temporary_path(), *fingerprint, checkpoint, progress);
  if (prepared.outcome != Outcome::kReady) {
    prepared.rejection.sha256 = manifest.sha256;
    return prepared;
  }
  if (absl::Status committed = file->Commit(); !committed.ok()) return Fail(std::move(committed));
  return prepared;
}

Prepared Preparer::Verify(const PrepareJob& job, const std::string& path,
                          const std::string& fingerprint, model::Checkpoint checkpoint,
                          const Progress& progress) const {
  progress(LoadState::kVerifying);
  absl::StatusOr<std::shared_ptr<Snapshot>> snapshot = OpenSnapshot(options_, path, checkpoint);
  if (!snapshot.ok()) {
    if (!BlamesContent(snapshot.status())) return Fail(snapshot.status());
    // The file lies under a temporary name that tells an operator nothing.
    const absl::string_view what = snapshot.status().message();
    return Reject(job, fingerprint, "structure",
                  std::string(absl::StripPrefix(what, absl::StrCat(path, ": "))));
  }
  const GateResult gates = RunGates(options_.gates, {.model = options_.model,
                                                     .version = job.manifest.version,
                                                     .candidate = snapshot->get(),
                                                     .serving = job.serving.get(),
                                                     .operator_asked = job.operator_asked});
  if (!gates.passed) return Reject(job, fingerprint, gates.gate, gates.detail);
  progress(LoadState::kWarming);
  const absl::Status warmed = WarmSnapshot(**snapshot, checkpoint);
  if (!warmed.ok()) return Fail(warmed);
  return {.outcome = Outcome::kReady, .snapshot = *std::move(snapshot), .manifest = job.manifest};
}

absl::StatusOr<std::shared_ptr<const Snapshot>> OpenCached(const LoaderOptions& options,
                                                           const Cache& cache, uint64_t version,
                                                           model::Checkpoint checkpoint) {
  const std::string path = cache.WeightPath(version);
  absl::StatusOr<std::shared_ptr<Snapshot>> snapshot = OpenSnapshot(options, path, checkpoint);
  if (!snapshot.ok()) return snapshot.status();
  const model::WeightInfo& info = (*snapshot)->file().info();
  if (info.model_name != options.model || info.version != version) {
    return absl::DataLossError(
        absl::StrCat(path, ": is version ", info.version, " of model '", info.model_name, "'"));
  }
  const absl::Status warmed = WarmSnapshot(**snapshot, checkpoint);
  if (!warmed.ok()) return warmed;
  return snapshot;
}

}  // namespace fmserve::loader
