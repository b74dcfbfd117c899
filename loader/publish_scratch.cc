#include "loader/publish_scratch.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/fetch.h"
#include "loader/file_util.h"
#include "loader/publish_delta.h"

namespace fmserve::loader {

absl::StatusOr<std::unique_ptr<PublishScratch>> PublishScratch::Create(uint64_t version,
                                                                       uint64_t size_bytes,
                                                                       uint64_t base_bytes) {
  absl::StatusOr<ScratchFolder> folder = ScratchFolder::Create(TemporaryFolder());
  if (absl::IsNotFound(folder.status()))  // TMPDIR, not the file to publish
    return absl::AbortedError(folder.status().message());
  if (!folder.ok()) return folder.status();
  const auto delta_bytes = static_cast<uint64_t>(kMostDeltaShare * static_cast<double>(size_bytes));
  const absl::Status room =
      CheckRoom(TemporaryFolder(), "making a delta", {size_bytes, delta_bytes, base_bytes});
  if (!room.ok()) return room;
  absl::StatusOr<Cache> cache = Cache::Open(folder->path());
  if (!cache.ok()) return cache.status();
  absl::StatusOr<model::AtomicFile> copy =
      model::AtomicFile::Create(cache->Path(Artifact::kWeights, version));
  if (!copy.ok()) return copy.status();
  return std::unique_ptr<PublishScratch>(
      new PublishScratch(*std::move(folder), *std::move(cache), *std::move(copy)));
}

absl::StatusOr<std::string> PublishScratch::FetchBase(Source& source, const Manifest& manifest,
                                                      model::Checkpoint checkpoint) {
  Fetched fetched = Fetch(source, cache_, {.manifest = manifest}, checkpoint);
  if (fetched.outcome == Fetched::Outcome::kFailed) return fetched.failure;
  if (fetched.outcome == Fetched::Outcome::kRejected) {
    return absl::DataLossError(
        absl::StrCat("version ", manifest.version, ", the base of a delta: ", fetched.detail));
  }
  if (absl::Status status = fetched.file->Commit(); !status.ok()) return status;
  return cache_.Path(Artifact::kWeights, manifest.version);
}

}  // namespace fmserve::loader
