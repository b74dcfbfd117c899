#include "loader/fetch.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/file_util.h"
#include "loader/hashing_copy.h"

namespace fmserve::loader {
namespace {

using Outcome = Fetched::Outcome;

Fetched Fail(absl::Status failure) {
  return {.outcome = Outcome::kFailed, .failure = std::move(failure)};
}

Fetched Reject(std::string_view gate, std::string detail) {
  return {.outcome = Outcome::kRejected, .gate = gate, .detail = std::move(detail)};
}

Fetched Check(const Manifest& manifest, bool named, HashingCopy& copy) {
  Fetched whole{.outcome = Outcome::kWhole, .manifest = manifest};
  whole.manifest.size_bytes = copy.size_bytes();
  whole.manifest.sha256 = copy.HexDigest();
  if (named && whole.manifest.size_bytes != manifest.size_bytes) {
    return Reject("checksum", absl::StrCat("the file has ", copy.size_bytes(),
                                           " bytes, the manifest says ", manifest.size_bytes));
  }
  if (named && whole.manifest.sha256 != manifest.sha256) {
    return Reject("checksum", absl::StrCat("the file's SHA-256 is ", whole.manifest.sha256,
                                           ", the manifest says ", manifest.sha256));
  }
  return whole;
}

// Writes to `file` behind what it holds; leaves it for later when that makes sense.
Fetched FetchInto(model::AtomicFile file, Source& source, const Cache& cache, const FetchJob& job,
                  const std::string& fingerprint, model::Checkpoint checkpoint) {
  const Manifest& manifest = job.manifest;
  const bool named = !manifest.sha256.empty();
  const uint64_t max_bytes = named ? manifest.size_bytes : job.max_bytes;
  if (named) {
    absl::Status room =
        CheckRoom(cache.folder(), absl::StrCat("version ", manifest.version),
                  {manifest.size_bytes - std::min(file.size_bytes(), manifest.size_bytes)});
    if (!room.ok()) return Fail(std::move(room));
  }
  HashingCopy copy(file, max_bytes, job.bytes_per_s);
  absl::Status status = copy.HashWhatIsThere(checkpoint);
  if (status.ok() && !(named && copy.size_bytes() >= manifest.size_bytes)) {
    status = source.Fetch(
        manifest.version, fingerprint, copy.size_bytes(),
        [&](std::span<const std::byte> bytes) { return copy.Append(bytes, checkpoint); });
  }
  if (copy.too_long()) {
    return Reject(named ? "checksum" : "size",
                  absl::StrCat("the file has more than the ", max_bytes, " bytes that the ",
                               named ? "manifest says" : "server takes"));
  }
  if (BlamesContent(status)) return Reject("fetch", std::string(status.message()));
  if (!status.ok()) {
    const bool in_vain = absl::IsResourceExhausted(status) || absl::IsOutOfRange(status);
    if (named && !in_vain) file.Leave();
    return Fail(std::move(status));
  }
  Fetched fetched = Check(manifest, named, copy);
  if (fetched.outcome != Outcome::kWhole) return fetched;
  if (absl::Status flushed = file.Flush(); !flushed.ok()) return Fail(std::move(flushed));
  fetched.file = std::move(file);
  return fetched;
}

}  // namespace

bool BlamesContent(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsDataLoss(status) ||
         absl::IsUnimplemented(status);
}

Fetched Fetch(Source& source, const Cache& cache, const FetchJob& job,
              model::Checkpoint checkpoint) {
  const absl::StatusOr<std::string> fingerprint = source.Fingerprint(job.manifest.version);
  if (!fingerprint.ok()) return Fail(fingerprint.status());
  const std::string path = cache.Path(job.artifact, job.manifest.version);
  // Without a SHA-256 nobody would notice a beginning that has suffered.
  const bool named = !job.manifest.sha256.empty();
  const std::string partial_path =
      named ? cache.PartialPath(job.artifact, job.manifest, *fingerprint) : "";
  const absl::Status removed = cache.RemovePartialFiles(job.artifact, partial_path, checkpoint);
  if (!removed.ok()) return Fail(removed);
  Fetched fetched;
  for (bool again = true; again;) {
    constexpr auto kWriting = model::AtomicFile::Writing::kDirect;
    absl::StatusOr<model::AtomicFile> file =
        named ? model::AtomicFile::Resume(path, partial_path, kWriting)
              : model::AtomicFile::Create(path, kWriting);
    if (!file.ok()) return Fail(file.status());
    const bool resumed = file->size_bytes() > 0;
    fetched = FetchInto(*std::move(file), source, cache, job, *fingerprint, checkpoint);
    // What lay in the cache may have suffered, not what was published; it is gone now.
    again = resumed && fetched.outcome == Outcome::kRejected;
  }
  fetched.fingerprint = *fingerprint;
  return fetched;
}

}  // namespace fmserve::loader
