#include "loader/s3_source.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace fmserve::loader {
namespace {

constexpr size_t kKeysPerVersion = 6;  // file, claim, delta, and whatever others put there

std::string FormatFingerprint(const s3::ObjectInfo& info) {
  return absl::StrCat(info.etag, " ", info.size_bytes);
}

bool ParseFingerprint(const std::string& fingerprint, s3::ObjectInfo& info) {
  const size_t space = fingerprint.rfind(' ');
  if (space == std::string::npos) return false;
  info.etag = fingerprint.substr(0, space);
  return absl::SimpleAtoi(absl::string_view(fingerprint).substr(space + 1), &info.size_bytes);
}

// What the store cannot do or did not understand says nothing of the file.
absl::Status NeverBlamesContent(const absl::Status& status) {
  if (!absl::IsUnimplemented(status) && !absl::IsInvalidArgument(status)) return status;
  return absl::InternalError(status.message());
}

}  // namespace

S3Source::S3Source(std::shared_ptr<s3::Client> client, s3::Location location,
                   const std::string& model, Artifact artifact, const RangeOptions& ranges)
    : client_(std::move(client)),
      location_(std::move(location)),
      artifact_(artifact),
      folder_(RelativeStoreFolder(model, artifact)),
      ranges_(ranges) {}

std::string S3Source::Key(const std::string& name) const {
  return location_.Key(absl::StrCat(folder_, "/", name));
}

std::string S3Source::FileKey(uint64_t version) const { return Key(FileName(artifact_, version)); }

absl::StatusOr<Manifest> S3Source::Poll() {
  const std::string key = Key(kManifestFileName);
  const absl::StatusOr<s3::GetResult> got =
      client_->Get(key, {.if_none_match = etag_, .max_bytes = kMaxManifestBytes});
  if (!got.ok()) return got.status();
  if (got->not_modified && manifest_) return *manifest_;
  absl::StatusOr<Manifest> manifest = ParseManifest(got->body);
  if (!manifest.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("s3://", location_.bucket, "/", key, ": ", manifest.status().message()));
  }
  etag_ = got->info.etag;
  manifest_ = *manifest;
  return manifest;
}

absl::Status S3Source::Fetch(uint64_t version, const std::string& fingerprint, uint64_t begin,
                             const ByteSink& sink) {
  s3::ObjectInfo wanted;
  if (!ParseFingerprint(fingerprint, wanted))
    return absl::InternalError(
        absl::StrCat("'", fingerprint, "' is no fingerprint of a store in S3"));
  return FetchObject(FileKey(version), wanted, begin, sink);
}

absl::Status S3Source::FetchDelta(const std::string& name, const ByteSink& sink) {
  const std::string key = Key(name);
  const absl::StatusOr<s3::ObjectInfo> info = client_->Head(key);
  if (!info.ok()) return NeverBlamesContent(info.status());
  return FetchObject(key, *info, 0, sink);
}

absl::Status S3Source::FetchObject(const std::string& key, const s3::ObjectInfo& wanted,
                                   uint64_t begin, const ByteSink& sink) const {
  const absl::Status changed = absl::UnavailableError(
      absl::StrCat("s3://", location_.bucket, "/", key, ": changed while it was read"));
  const GetRange get = [&](uint64_t first, uint64_t size, const std::stop_token& stop,
                           const ByteSink& range_sink) {
    const absl::StatusOr<s3::GetResult> got =
        client_->GetStream(key,
                           {.if_match = wanted.etag,
                            .range = s3::ByteRange{.first = first, .size = size},
                            .stop = stop},
                           range_sink);
    if (absl::IsFailedPrecondition(got.status())) return changed;
    if (!got.ok()) return got.status();
    // A store that knows no If-Match.
    if (got->info.etag != wanted.etag || got->info.size_bytes != wanted.size_bytes) return changed;
    return absl::OkStatus();
  };
  return NeverBlamesContent(FetchInRanges(
      begin, wanted.size_bytes, ranges_, get, [this] { return cancelled_.load(); }, sink));
}

absl::StatusOr<std::vector<uint64_t>> S3Source::ListVersions(size_t limit) {
  const std::string folder = Key("");
  const uint64_t newest = manifest_ ? manifest_->version : 0;
  s3::ListOptions options{.delimiter = "/", .limit = kKeysPerVersion * limit};
  if (newest > limit) options.start_after = FileKey(newest - limit);
  const absl::StatusOr<s3::Listing> listing = client_->List(folder, options);
  if (!listing.ok()) return listing.status();
  std::vector<uint64_t> versions;
  for (const s3::ListedObject& object : listing->objects) {
    const std::optional<uint64_t> version =
        ParseFileName(artifact_, std::string_view(object.key).substr(folder.size()));
    if (version) versions.push_back(*version);
  }
  std::sort(versions.begin(), versions.end(), std::greater<>());
  if (versions.size() > limit) versions.resize(limit);
  return versions;
}

absl::StatusOr<std::string> S3Source::Fingerprint(uint64_t version) {
  const absl::StatusOr<s3::ObjectInfo> info = client_->Head(FileKey(version));
  if (!info.ok()) return info.status();
  return FormatFingerprint(*info);
}

void S3Source::Cancel() {
  cancelled_ = true;
  client_->Cancel();
}

std::string S3Source::Describe() const {
  return absl::StrCat("s3://", location_.bucket, "/", location_.Key(folder_), " (",
                      client_->Describe(), ")");
}

}  // namespace fmserve::loader
