#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "s3/answers.h"
#include "s3/client.h"
#include "s3/client_impl.h"
#include "s3/errors.h"
#include "s3/names.h"

namespace fmserve::s3 {
namespace {

constexpr int kMaxParts = 10'000;
constexpr uint64_t kMaxPartBytes = uint64_t{5} << 30;
// A store may put the parts together before it answers, with only blanks now and then.
constexpr int kCompleteSeconds = 300;

absl::Status CheckUpload(std::string_view key, std::string_view upload_id) {
  if (absl::Status status = CheckKey(key); !status.ok()) return status;
  if (!upload_id.empty() && upload_id.size() <= 2'048) return absl::OkStatus();
  return absl::InvalidArgumentError("the upload id is empty or very long");
}

std::string PartsXml(const std::vector<std::string>& etags) {
  std::string xml = "<CompleteMultipartUpload>";
  for (size_t i = 0; i < etags.size(); ++i) {
    absl::StrAppend(&xml, "<Part><PartNumber>", i + 1, "</PartNumber><ETag>", XmlEscape(etags[i]),
                    "</ETag></Part>");
  }
  return absl::StrCat(xml, "</CompleteMultipartUpload>");
}

}  // namespace

absl::StatusOr<std::string> Client::CreateUpload(std::string_view key) {
  if (absl::Status status = CheckKey(key); !status.ok()) return status;
  const Operation operation{.name = "begin upload of",
                            .method = "POST",
                            .key = std::string(key),
                            .query = {{"uploads", ""}},
                            .headers = {{"Content-Type", "application/octet-stream"}}};
  const absl::StatusOr<HttpResponse> response = impl_->Call(operation);
  if (!response.ok()) return response.status();
  absl::StatusOr<std::string> id = ParseUploadId(response->body);
  if (!id.ok()) return Prefixed(id.status(), impl_->What(operation));
  return id;
}

absl::StatusOr<std::string> Client::UploadPart(std::string_view key, std::string_view upload_id,
                                               int part_number, std::span<const std::byte> body,
                                               std::stop_token stop) {
  if (absl::Status status = CheckUpload(key, upload_id); !status.ok()) return status;
  if (part_number < 1 || part_number > kMaxParts || body.size() > kMaxPartBytes) {
    return absl::InvalidArgumentError(absl::StrCat("part ", part_number, " of ", body.size(),
                                                   " bytes: parts are 1 to ", kMaxParts,
                                                   ", of at most 5 GiB"));
  }
  const Operation operation{
      .name = absl::StrCat("upload part ", part_number, " of"),
      .method = "PUT",
      .key = std::string(key),
      .query = {{"partNumber", absl::StrCat(part_number)}, {"uploadId", std::string(upload_id)}},
      .body = body,
      .stop = std::move(stop)};
  const absl::StatusOr<HttpResponse> response = impl_->Call(operation);
  if (!response.ok()) return response.status();
  std::string etag = response->Header("etag");
  if (etag.empty()) return Nonsense(impl_->What(operation), "the server tells no ETag");
  return etag;
}

absl::StatusOr<std::string> Client::CompleteUpload(std::string_view key, std::string_view upload_id,
                                                   const std::vector<std::string>& part_etags,
                                                   const PutOptions& options) {
  if (absl::Status status = CheckUpload(key, upload_id); !status.ok()) return status;
  if (part_etags.empty() || part_etags.size() > kMaxParts) {
    return absl::InvalidArgumentError(
        absl::StrCat("an upload has 1 to ", kMaxParts, " parts, not ", part_etags.size()));
  }
  const std::string xml = PartsXml(part_etags);
  Operation operation{.name = "complete upload of",
                      .method = "POST",
                      .key = std::string(key),
                      .query = {{"uploadId", std::string(upload_id)}},
                      .headers = {{"Content-Type", "application/xml"}},
                      .body = AsBytes(xml)};
  operation.stall = {.bytes_per_second = 1,
                     .seconds = std::max(kCompleteSeconds, impl_->stall().seconds)};
  absl::Status status = AddConditions(operation.headers, options);
  if (!status.ok()) return status;
  const absl::StatusOr<HttpResponse> response = impl_->Call(operation);
  if (!response.ok()) return ConditionalError(response.status(), options);
  // The status line may have gone out before the parts were put together.
  if (const ErrorAnswer error = ParseError(response->body); !error.code.empty()) {
    HttpResponse late = *response;
    late.status = 500;
    return ToStatus(late, error, {.what = impl_->What(operation), .region = {}}, absl::Now());
  }
  absl::StatusOr<std::string> etag = ParseCompletedEtag(response->body);
  if (!etag.ok()) return Prefixed(etag.status(), impl_->What(operation));
  if (!etag->empty()) return etag;
  const absl::StatusOr<ObjectInfo> info = Head(key);
  if (!info.ok()) return info.status();
  return info->etag;
}

absl::Status Client::AbortUpload(std::string_view key, std::string_view upload_id) {
  if (absl::Status status = CheckUpload(key, upload_id); !status.ok()) return status;
  return impl_
      ->Call({.name = "abort upload of",
              .method = "DELETE",
              .key = std::string(key),
              .query = {{"uploadId", std::string(upload_id)}},
              .done_error = "NoSuchUpload"})
      .status();
}

}  // namespace fmserve::s3
