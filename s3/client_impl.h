// What all operations of a client share.
#ifndef FMSERVE_S3_CLIENT_IMPL_H_
#define FMSERVE_S3_CLIENT_IMPL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "s3/client.h"
#include "s3/credentials.h"
#include "s3/encoding.h"
#include "s3/endpoint.h"
#include "s3/environment.h"
#include "s3/http.h"

namespace fmserve::s3 {

// One request, before it is addressed and signed. Members as in HttpRequest.
struct Operation {
  std::string name{};  // for messages: "get"
  std::string method{};
  std::string key{};     // empty: the bucket itself
  std::string prefix{};  // of a list, for messages
  Query query{};
  HttpHeaders headers{};
  std::span<const std::byte> body{};
  uint64_t max_body_bytes = 64 << 10;
  std::function<absl::Status(const HttpResponse&)> begin{};
  Sink sink{};
  std::stop_token stop{};
  std::optional<StallLimit> stall{};
  std::string done_error{};  // S3's code of an error that means that there is nothing to do
};

struct ClientConfig {
  std::string bucket{};
  std::string region{};
  BucketAddress address{};
  HttpOptions http{};
};

class Client::Impl {
 public:
  Impl(ClientConfig config, std::unique_ptr<CredentialChain> credentials,
       const Environment& environment);

  // The answer when it is a 2xx, a 304 or `done_error`.
  absl::StatusOr<HttpResponse> Call(const Operation& operation);

  // "get s3://bucket/key".
  std::string What(const Operation& operation) const;

  void Cancel();
  std::string Describe() const;
  const StallLimit& stall() const { return config_.http.stall; }

 private:
  absl::StatusOr<HttpResponse> Attempt(const Operation& operation, const Credentials& credentials,
                                       const std::string& payload_sha256, absl::Time signed_at);
  absl::StatusOr<HttpResponse> CallSigned(const Operation& operation, Credentials credentials);
  absl::Time ServerNow() const;

  const ClientConfig config_;
  const std::unique_ptr<CredentialChain> credentials_;
  const Environment environment_;
  HttpClient http_;
  std::atomic<int64_t> clock_offset_seconds_ = 0;  // the server's clock before ours
};

// Adds a header when `value` is not empty; InvalidArgument when it can be none.
absl::Status AddHeader(HttpHeaders& headers, const std::string& name, const std::string& value);

// The headers of conditional writes.
absl::Status AddConditions(HttpHeaders& headers, const PutOptions& options);

// Of a conditional write: what AWS calls NotFound, because there is nothing to match, does not
// hold.
absl::Status ConditionalError(const absl::Status& status, const PutOptions& options);

// Internal: an answer that makes no sense.
absl::Status Nonsense(const std::string& what, std::string_view words);

}  // namespace fmserve::s3

#endif  // FMSERVE_S3_CLIENT_IMPL_H_
