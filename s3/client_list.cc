#include <algorithm>
#include <iterator>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "s3/answers.h"
#include "s3/client.h"
#include "s3/client_impl.h"
#include "s3/errors.h"

namespace fmserve::s3 {
namespace {

constexpr size_t kPageObjects = 1'000;       // as many as S3 gives at once
constexpr uint64_t kMaxPageBytes = 8 << 20;  // 1,000 of the longest keys, percent-encoded
constexpr size_t kMaxPages = 10'000;         // a page may be empty
constexpr size_t kMaxObjects = 1'000'000;
constexpr size_t kMaxUploads = 100'000;
constexpr size_t kMaxListPrefixBytes = 1'024;

absl::Status CheckLimit(size_t limit, size_t max, std::string_view prefix) {
  if (limit < 1 || limit > max) {
    return absl::InvalidArgumentError(absl::StrCat("the limit is ", limit, ", not 1 to ", max));
  }
  if (prefix.size() <= kMaxListPrefixBytes) return absl::OkStatus();
  return absl::InvalidArgumentError("the prefix is too long");
}

}  // namespace

absl::StatusOr<Listing> Client::List(std::string_view prefix, const ListOptions& options) {
  if (absl::Status status = CheckLimit(options.limit, kMaxObjects, prefix); !status.ok()) {
    return status;
  }
  Operation operation{.name = "list",
                      .method = "GET",
                      .prefix = std::string(prefix),
                      .max_body_bytes = kMaxPageBytes};
  const std::string what = impl_->What(operation);
  Listing listing;
  std::string next;
  for (size_t pages = 0; pages < kMaxPages; ++pages) {
    const size_t wanted = std::min(kPageObjects, options.limit - listing.objects.size());
    operation.query = {{"list-type", "2"},
                       {"encoding-type", "url"},
                       {"prefix", std::string(prefix)},
                       {"max-keys", absl::StrCat(wanted)}};
    if (!options.delimiter.empty()) operation.query.emplace_back("delimiter", options.delimiter);
    if (!next.empty()) {
      operation.query.emplace_back("continuation-token", next);
    } else if (!options.start_after.empty()) {
      operation.query.emplace_back("start-after", options.start_after);
    }
    const absl::StatusOr<HttpResponse> response = impl_->Call(operation);
    if (!response.ok()) return response.status();
    absl::StatusOr<ListPage> page = ParseListPage(response->body);
    if (!page.ok()) return Prefixed(page.status(), what);
    if (page->objects.size() > wanted || (!page->next.empty() && page->next == next)) {
      return Nonsense(what, "the server's pages do not get on");
    }
    std::move(page->objects.begin(), page->objects.end(), std::back_inserter(listing.objects));
    next = page->next;
    listing.more = !next.empty();
    if (!listing.more || listing.objects.size() == options.limit) return listing;
  }
  return absl::ResourceExhaustedError(absl::StrCat(what, ": over ", kMaxPages, " pages"));
}

absl::StatusOr<std::vector<Upload>> Client::ListUploads(std::string_view prefix, size_t limit) {
  if (absl::Status status = CheckLimit(limit, kMaxUploads, prefix); !status.ok()) return status;
  Operation operation{.name = "list uploads of",
                      .method = "GET",
                      .prefix = std::string(prefix),
                      .max_body_bytes = kMaxPageBytes};
  const std::string what = impl_->What(operation);
  std::vector<Upload> uploads;
  UploadsPage page;
  for (size_t pages = 0; pages < kMaxPages; ++pages) {
    const size_t wanted = std::min(kPageObjects, limit - uploads.size());
    operation.query = {{"uploads", ""},
                       {"encoding-type", "url"},
                       {"prefix", std::string(prefix)},
                       {"max-uploads", absl::StrCat(wanted)}};
    if (!page.next_key.empty()) {
      operation.query.emplace_back("key-marker", page.next_key);
      operation.query.emplace_back("upload-id-marker", page.next_upload_id);
    }
    const absl::StatusOr<HttpResponse> response = impl_->Call(operation);
    if (!response.ok()) return response.status();
    absl::StatusOr<UploadsPage> parsed = ParseUploadsPage(response->body);
    if (!parsed.ok()) return Prefixed(parsed.status(), what);
    const bool stuck = !parsed->next_key.empty() && parsed->next_key == page.next_key &&
                       parsed->next_upload_id == page.next_upload_id;
    if (parsed->uploads.size() > wanted || stuck) {
      return Nonsense(what, "the server's pages do not get on");
    }
    page = *std::move(parsed);
    std::move(page.uploads.begin(), page.uploads.end(), std::back_inserter(uploads));
    if (page.next_key.empty() || uploads.size() == limit) return uploads;
  }
  return absl::ResourceExhaustedError(absl::StrCat(what, ": over ", kMaxPages, " pages"));
}

}  // namespace fmserve::s3
