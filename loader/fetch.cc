#include "loader/fetch.h"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "loader/file_util.h"
#include "loader/sha256.h"
#include "loader/token_bucket.h"

namespace fmserve::loader {
namespace {

using Outcome = Fetched::Outcome;

constexpr std::chrono::milliseconds kLongestSleep{50};

Fetched Fail(absl::Status failure) {
  return {.outcome = Outcome::kFailed, .failure = std::move(failure)};
}

Fetched Reject(std::string_view gate, std::string detail) {
  return {.outcome = Outcome::kRejected, .gate = gate, .detail = std::move(detail)};
}

// Writes what a source streams to a file, hashing on the way.
class HashingCopy {
 public:
  HashingCopy(model::AtomicFile& file, uint64_t max_bytes) : file_(file), max_bytes_(max_bytes) {}

  // What the file holds already, read from the disk.
  absl::Status HashWhatIsThere(model::Checkpoint checkpoint) {
    if (file_.size_bytes() == 0) return absl::OkStatus();
    const std::string& path = file_.temporary_path();
    const absl::StatusOr<FileDescriptor> there = OpenRegularFile(path);
    if (!there.ok()) return there.status();
    std::vector<std::byte> buffer(model::kCheckpointBytes);
    while (true) {
      const absl::StatusOr<size_t> count = ReadFull(*there, buffer, path);
      if (!count.ok()) return count.status();
      if (*count == 0) break;
      hash_.Update(std::span(buffer).first(*count));
      if (absl::Status status = checkpoint(); !status.ok()) return status;
    }
    // So that a mapping reads it from the disk, in large pages (model::AtomicFile::Writing).
    posix_fadvise(there->get(), 0, 0, POSIX_FADV_DONTNEED);
    return absl::OkStatus();
  }

  absl::Status Append(std::span<const std::byte> bytes) {
    if (file_.size_bytes() + bytes.size() > max_bytes_) {
      too_long_ = true;
      return absl::OutOfRangeError(absl::StrCat("more than ", max_bytes_, " bytes"));
    }
    hash_.Update(bytes);
    return file_.Append(bytes);
  }

  uint64_t size_bytes() const { return file_.size_bytes(); }
  bool too_long() const { return too_long_; }
  std::string HexDigest() { return hash_.HexDigest(); }

 private:
  model::AtomicFile& file_;
  const uint64_t max_bytes_;
  bool too_long_ = false;
  Sha256 hash_;
};

absl::Status SleepFor(TokenBucket::Clock::duration duration, model::Checkpoint checkpoint) {
  const auto end = TokenBucket::Clock::now() + duration;
  for (auto left = duration; left > TokenBucket::Clock::duration::zero();
       left = end - TokenBucket::Clock::now()) {
    std::this_thread::sleep_for(std::min<TokenBucket::Clock::duration>(left, kLongestSleep));
    if (absl::Status status = checkpoint(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckRoom(const Cache& cache, const Manifest& manifest, uint64_t there_bytes) {
  const absl::StatusOr<uint64_t> free_bytes = FreeBytes(cache.folder());
  if (!free_bytes.ok()) return free_bytes.status();
  const uint64_t needed_bytes = manifest.size_bytes - std::min(there_bytes, manifest.size_bytes);
  if (*free_bytes >= kFreeReserveBytes && *free_bytes - kFreeReserveBytes >= needed_bytes)
    return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      cache.folder(), ": version ", manifest.version, " needs ", needed_bytes, " bytes and ",
      kFreeReserveBytes, " to spare, ", *free_bytes, " are free; make room, it is tried again"));
}

absl::Status Stream(Source& source, const FetchJob& job, const std::string& fingerprint,
                    HashingCopy& copy, model::Checkpoint checkpoint) {
  TokenBucket limit(job.bytes_per_s, TokenBucket::Clock::now());
  return source.Fetch(
      job.manifest.version, fingerprint, copy.size_bytes(), [&](std::span<const std::byte> bytes) {
        absl::Status status = copy.Append(bytes);
        if (status.ok()) status = checkpoint();
        if (!status.ok()) return status;
        return SleepFor(limit.Take(bytes.size(), TokenBucket::Clock::now()), checkpoint);
      });
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
    if (absl::Status room = CheckRoom(cache, manifest, file.size_bytes()); !room.ok())
      return Fail(std::move(room));
  }
  HashingCopy copy(file, max_bytes);
  absl::Status status = copy.HashWhatIsThere(checkpoint);
  if (status.ok() && !(named && copy.size_bytes() >= manifest.size_bytes))
    status = Stream(source, job, fingerprint, copy, checkpoint);
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
