#include "loader/preparer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "loader/cached_snapshot.h"
#include "loader/fetch.h"
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

Prepared HeldBy(std::string_view gate, Prepared ready, std::string why) {
  ready.outcome = Outcome::kHeld;
  ready.snapshot.reset();
  ready.held_by = gate;
  ready.held_why = std::move(why);
  return ready;
}

// The file lies under a temporary name that tells an operator nothing.
Prepared RejectStructure(const PrepareJob& job, const std::string& fingerprint,
                         const std::string& path, const absl::Status& status) {
  const absl::string_view what = status.message();
  return Reject(job, fingerprint, "structure",
                std::string(absl::StripPrefix(what, absl::StrCat(path, ": "))));
}

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
  return FetchAndVerify(job, checkpoint, progress);
}

Prepared Preparer::FetchAndVerify(const PrepareJob& job, model::Checkpoint checkpoint,
                                  const Progress& progress) {
  if (absl::Status status = checkpoint(); !status.ok()) return Fail(std::move(status));
  progress(LoadState::kFetching);
  if (job.artifact != Artifact::kWeights || job.manifest.deltas.empty())
    return FetchWhole(job, checkpoint, progress);
  const absl::StatusOr<std::string> fingerprint = weights_.Fingerprint(job.manifest.version);
  if (!fingerprint.ok()) return Fail(fingerprint.status());
  const DeltaBase base{.file = job.serving == nullptr ? nullptr : &job.serving->file(),
                       .sha256 = job.serving_sha256};
  DeltaBuild built = BuildFromDelta(weights_, cache_, FetchJobOf(job), base, checkpoint);
  if (!built.interrupted.ok()) return Fail(std::move(built.interrupted));
  Prepared prepared = built.file ? Keep(job, *fingerprint, *built.file, checkpoint, progress)
                                 : FetchWhole(job, checkpoint, progress);
  prepared.delta = std::move(built.report);
  return prepared;
}

FetchJob Preparer::FetchJobOf(const PrepareJob& job) const {
  return {.artifact = job.artifact,
          .manifest = job.manifest,
          .max_bytes = options_.gates.max_file_bytes,
          .bytes_per_s = options_.fetch_bytes_per_s};
}

Prepared Preparer::FetchWhole(const PrepareJob& job, model::Checkpoint checkpoint,
                              const Progress& progress) {
  Source& source = job.artifact == Artifact::kWeights ? weights_ : *catalogues_;
  Fetched fetched = Fetch(source, cache_, FetchJobOf(job), checkpoint);
  if (fetched.outcome == Fetched::Outcome::kRejected)
    return Reject(job, fetched.fingerprint, fetched.gate, std::move(fetched.detail));
  if (fetched.outcome == Fetched::Outcome::kFailed) return Fail(std::move(fetched.failure));
  PrepareJob whole = job;
  whole.manifest = fetched.manifest;
  Prepared prepared = Keep(whole, fetched.fingerprint, *fetched.file, checkpoint, progress);
  if (prepared.outcome == Outcome::kFailed) fetched.file->Leave();
  prepared.rejection.sha256 = job.manifest.sha256;
  return prepared;
}

// Verifies what lies in `file`, whole and flushed, and gives it its name.
Prepared Preparer::Keep(const PrepareJob& fetched, const std::string& fingerprint,
                        model::AtomicFile& file, model::Checkpoint checkpoint,
                        const Progress& progress) {
  const int64_t fetched_unix_us = absl::ToUnixMicros(absl::Now());
  Prepared prepared = Verify(fetched, file.temporary_path(), fingerprint, checkpoint, progress);
  prepared.fetched_unix_us = static_cast<uint64_t>(fetched_unix_us);
  prepared.manifest.deltas.clear();  // of no use to who has the file
  if (prepared.outcome != Outcome::kReady && prepared.outcome != Outcome::kHeld) return prepared;
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
  std::vector<std::string_view> gates_passed;
  const GateResult gates = RunGates(options_.gates,
                                    {.model = options_.model,
                                     .version = job.manifest.version,
                                     .candidate = snapshot.get(),
                                     .serving = job.serving.get(),
                                     .operator_asked = job.operator_asked},
                                    &gates_passed);
  Prepared prepared;
  if (gates.passed) {
    prepared = WarmAndFold(job, fingerprint, snapshot, checkpoint, progress);
  } else {
    prepared = Reject(job, fingerprint, gates.gate, gates.detail);
  }
  prepared.gates_passed = std::move(gates_passed);
  if (prepared.outcome != Outcome::kReady) return prepared;
  progress(LoadState::kVerifying);
  return HoldIfManual(job, RunShadowGate(job, std::move(prepared), checkpoint));
}

Prepared Preparer::WarmAndFold(const PrepareJob& job, const std::string& fingerprint,
                               const std::shared_ptr<Snapshot>& snapshot,
                               model::Checkpoint checkpoint, const Progress& progress) {
  progress(LoadState::kWarming);
  const absl::Status warmed = Warm(snapshot->file(), checkpoint);
  if (!warmed.ok()) return Fail(warmed);
  snapshot->MeasureHugePages();
  if (job.serving != nullptr && job.serving->catalogue() != nullptr)
    return FoldWithWeights(job, fingerprint, snapshot, checkpoint, progress);
  return {.outcome = Outcome::kReady, .snapshot = snapshot, .manifest = job.manifest};
}

Prepared Preparer::RunShadowGate(const PrepareJob& job, Prepared ready,
                                 model::Checkpoint checkpoint) const {
  const bool asked = options_.shadow.enabled && options_.requests.compare &&
                     job.serving != nullptr && !job.operator_asked;
  if (!asked) return ready;
  const absl::Time start = absl::Now();
  const absl::StatusOr<Comparison> comparison =
      options_.requests.compare(*job.serving, *ready.snapshot, /*after=*/0, checkpoint);
  if (!comparison.ok()) return Fail(comparison.status());
  GateReport report = JudgeComparison(options_.shadow, *comparison);
  report.version = job.manifest.version;
  report.serving_version = job.serving->version();
  report.compared_unix_us = static_cast<uint64_t>(absl::ToUnixMicros(start));
  report.seconds = absl::ToDoubleSeconds(absl::Now() - start);
  const bool held = report.verdict == GateReport::Verdict::kHeld ||
                    (report.verdict == GateReport::Verdict::kTooFewRequests &&
                     options_.shadow.hold_on_too_few_requests);
  std::string why = report.detail;
  ready.report = std::move(report);
  if (held) return HeldBy(kShadowGate, std::move(ready), std::move(why));
  return ready;
}

Prepared Preparer::HoldIfManual(const PrepareJob& job, Prepared judged) const {
  const bool asks = options_.rollout.mode == RolloutMode::kManual && job.serving != nullptr &&
                    !job.operator_asked && judged.outcome == Outcome::kReady;
  if (!asks) return judged;
  return HeldBy(kRolloutGate, std::move(judged), "it waits for an operator: the rollout is manual");
}

Prepared Preparer::ReadyUnlessTooLarge(const PrepareJob& job, const std::string& fingerprint,
                                       std::shared_ptr<const Snapshot> folded) const {
  const GateResult gates = RunFoldedGates(options_.gates, *folded);
  if (!gates.passed) return RejectMisfit(job, fingerprint, gates.gate, gates.detail);
  return {.outcome = Outcome::kReady, .snapshot = std::move(folded), .manifest = job.manifest};
}

Prepared Preparer::FoldWithWeights(const PrepareJob& job, const std::string& fingerprint,
                                   const std::shared_ptr<const Snapshot>& weights,
                                   model::Checkpoint checkpoint, const Progress& progress) {
  absl::StatusOr<std::shared_ptr<const Snapshot>> folded =
      FoldSnapshot(options_, *weights, job.serving->shared_catalogue()->shared_file(), checkpoint);
  if (folded.ok()) return ReadyUnlessTooLarge(job, fingerprint, *std::move(folded));
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
  if (folded.ok()) return ReadyUnlessTooLarge(job, fingerprint, *std::move(folded));
  if (!IsMisfit(folded.status())) return Fail(folded.status());
  return RejectMisfit(
      job, fingerprint, "weights",
      absl::StrCat("it cannot be folded with weights of version ", job.serving->version(), ": ",
                   folded.status().message(), "; it is tried again with the next weights"));
}

}  // namespace fmserve::loader
