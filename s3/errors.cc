#include "s3/errors.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "s3/client.h"
#include "s3/encoding.h"

namespace fmserve::s3 {
namespace {

constexpr char kRetryAfterUrl[] = "fmserve.s3/retry_after_seconds";
constexpr absl::Duration kMaxRetryAfter = absl::Minutes(5);
// A server that does not name the reason (HEAD has no body) means the clock from here on; S3 allows
// 15 minutes.
constexpr absl::Duration kClockIsWrong = absl::Minutes(14);

// What S3 calls an error, and what whoever reads it can do.
struct Advice {
  const char* code;
  absl::StatusCode status;
  const char* words;
};

constexpr Advice kAdvice[] = {
    {"NoSuchBucket", absl::StatusCode::kNotFound,
     "the bucket does not exist; look at its name and at the endpoint"},
    {"NoSuchKey", absl::StatusCode::kNotFound, "there is no such key"},
    {"NoSuchUpload", absl::StatusCode::kNotFound, "the upload was completed or aborted"},
    {"PreconditionFailed", absl::StatusCode::kFailedPrecondition,
     "the object is another one by now"},
    {"SignatureDoesNotMatch", absl::StatusCode::kPermissionDenied,
     "the secret access key does not belong to the access key id, or a proxy changes requests"},
    {"InvalidAccessKeyId", absl::StatusCode::kPermissionDenied,
     "the server does not know the access key id; look at the credentials and at the endpoint"},
    {"ExpiredToken", absl::StatusCode::kPermissionDenied,
     "the credentials expired; see that whatever gives them gives new ones"},
    {"InvalidToken", absl::StatusCode::kPermissionDenied,
     "the session token is not valid here; see that whatever gives the credentials gives new ones"},
    {"RequestTimeTooSkewed", absl::StatusCode::kPermissionDenied,
     "this machine's clock differs from the server's; set it right (NTP)"},
    {"AccessDenied", absl::StatusCode::kPermissionDenied,
     "the credentials are wrong or do not allow this; look at the secret access key, and at the "
     "policies of the user, role and bucket"},
    {"ConditionalRequestConflict", absl::StatusCode::kFailedPrecondition,
     "another write of the key came first"},
    {"SlowDown", absl::StatusCode::kUnavailable, "the server asks for fewer requests"},
    {"RequestTimeout", absl::StatusCode::kUnavailable, "the server waited too long for the body"},
    {"IncompleteBody", absl::StatusCode::kUnavailable, "the body broke off"},
    {"BadDigest", absl::StatusCode::kUnavailable, "the body was changed on its way"},
    {"XAmzContentSHA256Mismatch", absl::StatusCode::kUnavailable,
     "the body was changed on its way"},
};

absl::StatusCode CodeOf(int http_status) {
  switch (http_status) {
    case 401:
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 405:
    case 501:
      return absl::StatusCode::kUnimplemented;
    case 412:
      return absl::StatusCode::kFailedPrecondition;
    case 416:
      return absl::StatusCode::kOutOfRange;
    case 307:  // a new bucket, whose name does not lead to its region yet
    case 408:
    case 409:
    case 429:
      return absl::StatusCode::kUnavailable;
    default:
      return http_status >= 500 ? absl::StatusCode::kUnavailable : absl::StatusCode::kInternal;
  }
}

const char* WordsFor(int http_status) {
  switch (http_status) {
    case 401:
    case 403:
      return "the server refuses; look at the credentials and their policies";
    case 404:
      return "there is no such key (or bucket)";
    case 405:
    case 501:
      return "the server does not know this operation";
    case 412:
      return "the object is another one by now";
    case 416:
      return "the range begins behind the end of the object";
    case 409:
      return "the server is busy with another operation on the same key";
    case 429:
      return "the server asks for fewer requests";
    default:
      return http_status >= 500 ? "the server fails" : "the server answers with an error";
  }
}

// The region in which a bucket lies, where the answer says that it is another one.
std::string OtherRegion(const HttpResponse& response, const ErrorAnswer& error,
                        const std::string& region) {
  if (response.status != 301 && response.status != 400) return "";
  std::string other = response.Header("x-amz-bucket-region");
  if (other.empty()) other = error.region;
  return other == region ? "" : Quoted(other, 64);
}

absl::Status WithRetryAfter(absl::Status status, const HttpResponse& response, absl::Time now) {
  const std::string header = response.Header("retry-after");
  if (header.empty()) return status;
  int64_t seconds = 0;
  if (!absl::SimpleAtoi(header, &seconds)) {
    const time_t date = curl_getdate(header.c_str(), nullptr);
    if (date < 0) return status;
    seconds = absl::ToInt64Seconds(absl::Ceil(absl::FromTimeT(date) - now, absl::Seconds(1)));
  }
  seconds = std::clamp<int64_t>(seconds, 0, absl::ToInt64Seconds(kMaxRetryAfter));
  status.SetPayload(kRetryAfterUrl, absl::Cord(absl::StrCat(seconds)));
  return status;
}

absl::Status WithMessage(const absl::Status& status, const std::string& message) {
  absl::Status changed(status.code(), message);
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& value) { changed.SetPayload(url, value); });
  return changed;
}

}  // namespace

std::optional<absl::Duration> RetryAfter(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kRetryAfterUrl);
  int64_t seconds = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &seconds)) return std::nullopt;
  return absl::Seconds(seconds);
}

absl::Status ToStatus(const HttpResponse& response, const ErrorAnswer& error,
                      const ErrorSubject& subject, absl::Time now) {
  absl::StatusCode code = CodeOf(response.status);
  std::string words = WordsFor(response.status);
  const auto* const advice =
      std::find_if(std::begin(kAdvice), std::end(kAdvice),
                   [&](const Advice& entry) { return error.code == entry.code; });
  if (advice != std::end(kAdvice)) {
    code = advice->status;
    words = advice->words;
  }
  const std::string region = OtherRegion(response, error, subject.region);
  if (!region.empty()) {
    code = absl::StatusCode::kPermissionDenied;
    words = absl::StrCat("the bucket is in region ", region, ", not in ", subject.region,
                         "; set the region");
  }
  std::string message = absl::StrCat(subject.what, ": ", words, " (HTTP ", response.status);
  if (!error.code.empty()) absl::StrAppend(&message, ", ", Quoted(error.code, 64));
  if (!error.message.empty()) absl::StrAppend(&message, ": ", Quoted(error.message));
  std::string id = response.Header("x-amz-request-id");
  if (id.empty()) id = error.request_id;
  if (!id.empty()) absl::StrAppend(&message, ", request ", Quoted(id, 128));
  return WithRetryAfter(absl::Status(code, absl::StrCat(message, ")")), response, now);
}

absl::Status Prefixed(const absl::Status& status, const std::string& what) {
  return WithMessage(status, absl::StrCat(what, ": ", status.message()));
}

absl::Status Suffixed(const absl::Status& status, const std::string& words) {
  return WithMessage(status, absl::StrCat(status.message(), words));
}

bool RefusesCredentials(const HttpResponse& response, const ErrorAnswer& error) {
  if (response.status == 401 || response.status == 403) return true;
  if (response.status != 400) return false;
  static constexpr const char* kCodes[] = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired",
                                           ""};  // HEAD names none
  return std::find(std::begin(kCodes), std::end(kCodes), error.code) != std::end(kCodes);
}

bool RefusesClock(const HttpResponse& response, const ErrorAnswer& error, absl::Time signed_at) {
  if (error.code == "RequestTimeTooSkewed") return true;
  const std::optional<absl::Time> date = response.Date();
  return response.status == 403 && error.code.empty() && date.has_value() &&
         absl::AbsDuration(*date - signed_at) > kClockIsWrong;
}

absl::Status Scrubbed(const absl::Status& status, const Credentials& credentials) {
  std::string message(status.message());
  bool found = false;
  for (const std::string* const secret :
       {&credentials.secret_access_key, &credentials.session_token}) {
    if (secret->empty() || !absl::StrContains(message, *secret)) continue;
    message = absl::StrReplaceAll(message, {{*secret, "[secret]"}});
    found = true;
  }
  return found ? WithMessage(status, message) : status;
}

}  // namespace fmserve::s3
