#include "s3/client_impl.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "s3/answers.h"
#include "s3/errors.h"
#include "s3/signing.h"

namespace fmserve::s3 {

Client::Impl::Impl(ClientConfig config, std::unique_ptr<CredentialChain> credentials,
                   const Environment& environment)
    : config_(std::move(config)),
      credentials_(std::move(credentials)),
      environment_(environment),
      http_(config_.http) {}

std::string Client::Impl::What(const Operation& operation) const {
  return absl::StrCat(operation.name, " s3://", config_.bucket, "/",
                      Quoted(absl::StrCat(operation.key, operation.prefix), 1024));
}

absl::Time Client::Impl::ServerNow() const {
  return environment_.now() + absl::Seconds(clock_offset_seconds_.load());
}

absl::StatusOr<HttpResponse> Client::Impl::Attempt(const Operation& operation,
                                                   const Credentials& credentials,
                                                   const std::string& payload_sha256,
                                                   absl::Time signed_at) {
  UnsignedRequest to_sign{.method = operation.method,
                          .path = config_.address.Path(operation.key),
                          .query = CanonicalQuery(operation.query),
                          .headers = operation.headers,
                          .payload_sha256 = payload_sha256};
  to_sign.headers.emplace_back("Host", config_.address.endpoint.host);
  HttpRequest request{.method = operation.method,
                      .url = absl::StrCat(config_.address.endpoint.Url(), to_sign.path,
                                          to_sign.query.empty() ? "" : "?", to_sign.query),
                      .headers = Sign(to_sign, credentials, config_.region, signed_at),
                      .body = operation.body,
                      .max_body_bytes = operation.max_body_bytes,
                      .begin = operation.begin,
                      .sink = {},
                      .stop = operation.stop,
                      .stall = operation.stall};
  absl::Status sink_error;
  if (operation.sink != nullptr) {
    request.sink = [&](std::span<const std::byte> bytes) {
      return sink_error = operation.sink(bytes);
    };
  }
  absl::StatusOr<HttpResponse> response = http_.Send(request);
  if (response.ok()) return response;
  if (!sink_error.ok()) return sink_error;
  return Prefixed(response.status(), What(operation));
}

absl::StatusOr<HttpResponse> Client::Impl::CallSigned(const Operation& operation,
                                                      Credentials credentials) {
  const std::string payload_sha256 = Sha256Hex(operation.body);
  const ErrorSubject subject{.what = What(operation), .region = config_.region};
  bool replaced = false;
  bool corrected = false;
  while (true) {
    const absl::Time signed_at = ServerNow();
    absl::StatusOr<HttpResponse> response =
        Attempt(operation, credentials, payload_sha256, signed_at);
    if (!response.ok()) return response;
    if (response->status / 100 == 2 || response->status == 304) return response;
    const ErrorAnswer error = ParseError(response->body);
    if (!error.code.empty() && error.code == operation.done_error) return response;
    absl::Status status =
        Scrubbed(ToStatus(*response, error, subject, environment_.now()), credentials);
    if (RefusesClock(*response, error, signed_at)) {
      const std::optional<absl::Time> date = response->Date();
      if (corrected || !date) return status;
      corrected = true;
      clock_offset_seconds_ = absl::ToInt64Seconds(*date - environment_.now());
      continue;
    }
    if (replaced || !RefusesCredentials(*response, error)) return status;
    replaced = true;
    absl::StatusOr<Credentials> fresh = credentials_->Replace(credentials);
    if (absl::IsCancelled(fresh.status())) return fresh.status();
    if (absl::IsPermissionDenied(fresh.status())) return status;  // it says more
    if (!fresh.ok()) {
      return Suffixed(status, absl::StrCat("; no new ones: ", fresh.status().message()));
    }
    credentials = *std::move(fresh);
  }
}

absl::StatusOr<HttpResponse> Client::Impl::Call(const Operation& operation) {
  absl::StatusOr<Credentials> credentials = credentials_->Get();
  if (!credentials.ok()) return Prefixed(credentials.status(), What(operation));
  return CallSigned(operation, *std::move(credentials));
}

void Client::Impl::Cancel() {
  http_.Cancel();
  credentials_->Cancel();
}

std::string Client::Impl::Describe() const {
  return absl::StrCat("bucket ", config_.bucket, " at ", config_.address.endpoint.Url(),
                      ", region ", config_.region, ", ", credentials_->Describe());
}

absl::Status AddHeader(HttpHeaders& headers, const std::string& name, const std::string& value) {
  if (value.empty()) return absl::OkStatus();
  if (!IsPrintable(value) || value.size() > 1024) {
    return absl::InvalidArgumentError(absl::StrCat("'", Quoted(value), "' cannot be ", name));
  }
  headers.emplace_back(name, value);
  return absl::OkStatus();
}

absl::Status AddConditions(HttpHeaders& headers, const PutOptions& options) {
  absl::Status status = AddHeader(headers, "If-Match", options.if_match);
  status.Update(AddHeader(headers, "If-None-Match", options.if_none_match));
  return status;
}

absl::Status ConditionalError(const absl::Status& status, const PutOptions& options) {
  const bool nothing = absl::IsNotFound(status) && !options.if_match.empty() &&
                       absl::StrContains(status.message(), "NoSuchKey");
  return nothing ? absl::FailedPreconditionError(status.message()) : status;
}

absl::Status Nonsense(const std::string& what, std::string_view words) {
  return absl::InternalError(absl::StrCat(what, ": ", ToAbsl(words)));
}

}  // namespace fmserve::s3
