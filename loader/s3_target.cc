#include "loader/s3_target.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "loader/patiently.h"

namespace fmserve::loader {
namespace {

constexpr int kMaxClaimsTried = 100;
constexpr int kMaxCommitsTried = 20;
constexpr size_t kVersionDigits = 20;
constexpr size_t kMaxClaimBytes = 4096;
constexpr size_t kMaxListed = 100'000;
constexpr size_t kMaxLeftovers = 1000;
constexpr absl::Duration kLeftoverAge = absl::Hours(24);
constexpr std::chrono::milliseconds kConflictDelay{50};

std::string RandomClaim() {
  std::random_device random;
  return absl::StrFormat("{\"publisher\": \"%08x%08x%08x%08x\", \"claimed\": \"%s\"}\n", random(),
                         random(), random(), random(),
                         absl::FormatTime(absl::RFC3339_sec, absl::Now(), absl::UTCTimeZone()));
}

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

S3Target::S3Target(std::shared_ptr<s3::Client> client, s3::Location location,
                   const PublishOptions& options, Artifact artifact)
    : client_(std::move(client)),
      location_(std::move(location)),
      options_(options),
      artifact_(artifact),
      folder_(RelativeStoreFolder(options.model, artifact)),
      claim_(RandomClaim()) {}

std::string S3Target::Key(const std::string& name) const {
  return location_.Key(absl::StrCat(folder_, "/", name));
}

std::string S3Target::ClaimKey() const { return Key(ClaimName(version_)); }

absl::StatusOr<S3Target::Current> S3Target::ReadCurrent() const {
  const std::string key = Key(kManifestFileName);
  absl::StatusOr<s3::GetResult> got =
      Patiently([&] { return client_->Get(key, {.max_bytes = kMaxManifestBytes}); });
  if (absl::IsNotFound(got.status())) return Current();
  if (!got.ok()) return got.status();
  absl::StatusOr<Manifest> manifest = ParseManifest(got->body);
  if (!manifest.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("s3://", location_.bucket, "/", key, ": ", manifest.status().message()));
  }
  return Current{*std::move(manifest), got->info.etag, std::move(got->body)};
}

// Of all that stands behind the published version: files, and claims of publishers that are still
// at it, or died.
absl::StatusOr<uint64_t> S3Target::HighestNumber(uint64_t published) const {
  const std::string folder = Key("");
  s3::ListOptions options{.delimiter = "/", .limit = kMaxListed};
  if (published > 0) options.start_after = Key(FileName(artifact_, published));
  const absl::StatusOr<s3::Listing> listing =
      Patiently([&] { return client_->List(folder, options); });
  if (absl::IsNotFound(listing.status()))  // the bucket, not the file to publish
    return absl::AbortedError(listing.status().message());
  if (!listing.ok()) return listing.status();
  uint64_t highest = published;
  for (const s3::ListedObject& object : listing->objects) {
    const absl::string_view name = absl::string_view(object.key).substr(folder.size());
    uint64_t number = 0;
    if (name.size() > kVersionDigits && name[kVersionDigits] == '.' &&
        absl::SimpleAtoi(name.substr(0, kVersionDigits), &number) && number <= kMaxVersion) {
      highest = std::max(highest, number);
    }
  }
  return highest;
}

absl::StatusOr<uint64_t> S3Target::Claim(uint64_t size_bytes) {
  const absl::StatusOr<Current> current = ReadCurrent();
  if (!current.ok()) return current.status();
  const absl::StatusOr<uint64_t> highest = HighestNumber(current->manifest.version);
  if (!highest.ok()) return highest.status();
  AbortLeftovers();
  version_ = *highest;
  absl::Status claimed = absl::AlreadyExistsError("");
  for (int i = 0; i < kMaxClaimsTried && absl::IsAlreadyExists(claimed); ++i) {
    if (++version_ > kMaxVersion) {
      return absl::OutOfRangeError(absl::StrCat("s3://", location_.bucket, "/", Key(""),
                                                ": the version numbers are used up"));
    }
    claimed = CreateClaim();
  }
  if (!claimed.ok()) return claimed;
  if (absl::Status status = OpenScratch(size_bytes, current->manifest); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<MultipartUpload>> upload =
      MultipartUpload::Begin(client_, Key(FileName(artifact_, version_)), size_bytes);
  if (!upload.ok()) return upload.status();
  upload_ = *std::move(upload);
  return version_;
}

// AlreadyExists when it is another one's. Read back, because the first answer may have been lost,
// and because there are stores that ignore conditions: who wrote last then has it.
absl::Status S3Target::CreateClaim() {
  const absl::StatusOr<std::string> put =
      Patiently([&] { return client_->Put(ClaimKey(), BytesOf(claim_), {.if_none_match = "*"}); });
  if (!put.ok() && !absl::IsFailedPrecondition(put.status())) return put.status();
  const absl::Status ours = CheckClaim();
  if (!absl::IsAborted(ours)) return ours;
  return absl::AlreadyExistsError(ours.message());
}

absl::Status S3Target::CheckClaim() const {
  const absl::StatusOr<s3::GetResult> got =
      Patiently([&] { return client_->Get(ClaimKey(), {.max_bytes = kMaxClaimBytes}); });
  if (!got.ok()) return got.status();
  if (got->body == claim_) return absl::OkStatus();
  return absl::AbortedError(
      absl::StrCat("version ", version_, " was claimed by another publisher; publish again"));
}

// Parts of dead publishers are invisible but cost money. Who may not list or abort them publishes
// all the same.
void S3Target::AbortLeftovers() const {
  const auto uploads = client_->ListUploads(Key(""), kMaxLeftovers);
  if (!uploads.ok()) return;
  for (const s3::Upload& upload : *uploads) {
    if (upload.initiated == absl::InfinitePast() || absl::Now() - upload.initiated < kLeftoverAge)
      continue;
    client_->AbortUpload(upload.key, upload.upload_id).IgnoreError();
  }
}

absl::Status S3Target::Append(std::span<const std::byte> bytes) {
  if (scratch_.ok() && *scratch_ != nullptr) {
    if (absl::Status kept = (*scratch_)->Append(bytes); !kept.ok()) scratch_ = std::move(kept);
  }
  return upload_->Append(bytes);
}

absl::Status S3Target::Finish() {
  if (absl::Status status = CheckClaim(); !status.ok()) return status;
  return upload_->Complete();
}

absl::Status S3Target::Commit(const Manifest& manifest) {
  const std::string text = SerializeManifest(manifest);
  for (int i = 0; i < kMaxCommitsTried; ++i) {
    const absl::StatusOr<Current> current = ReadCurrent();
    if (!current.ok()) return current.status();
    if (current->text == text) return absl::OkStatus();  // only the answer was lost
    if (current->manifest.version >= manifest.version) {
      return absl::AbortedError(
          absl::StrCat("version ", current->manifest.version,
                       " was published meanwhile by somebody else, so version ", manifest.version,
                       " is in the store but is not the newest, and no server will take it; "
                       "publish again if it should be"));
    }
    s3::PutOptions condition;
    if (current->manifest.version == 0) {
      condition.if_none_match = "*";
    } else {
      condition.if_match = current->etag;
    }
    const absl::StatusOr<std::string> put =
        Patiently([&] { return client_->Put(Key(kManifestFileName), BytesOf(text), condition); });
    if (!absl::IsFailedPrecondition(put.status())) return put.status();
    std::this_thread::sleep_for(kConflictDelay);
  }
  return absl::AbortedError(absl::StrCat("s3://", location_.bucket, "/", Key(kManifestFileName),
                                         ": was changed by somebody else ", kMaxCommitsTried,
                                         " times in a row; publish again"));
}

}  // namespace fmserve::loader
