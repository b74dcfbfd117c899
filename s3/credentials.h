// Keys to sign requests with, found where the AWS tools find them:
// 1. environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN;
// 2. profile: AWS_PROFILE (or "default") of ~/.aws/credentials and ~/.aws/config;
// 3. web identity: AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN (IRSA on EKS), through STS;
// 4. container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI (ECS, EKS Pod Identity);
// 5. the EC2 instance's metadata service, IMDSv2 alone.
// This is the order of AWS's SDKs for C++ and Rust (DefaultAWSCredentialsProviderChain,
// DefaultCredentialsChain); the AWS CLI asks web identity before the files. A profile that was
// asked for by name in CredentialOptions goes before the environment, as --profile does.
#ifndef FMSERVE_S3_CREDENTIALS_H_
#define FMSERVE_S3_CREDENTIALS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "s3/environment.h"

namespace fmserve::s3 {

// Never part of a message: nothing in this library prints or formats one.
struct Credentials {
  std::string access_key_id{};
  std::string secret_access_key{};
  std::string session_token{};  // empty: none
  absl::Time expires = absl::InfiniteFuture();

  bool operator==(const Credentials&) const = default;
};

// One place where credentials may be. One thread at a time, but for Cancel.
class CredentialProvider {
 public:
  virtual ~CredentialProvider() = default;

  // Fresh credentials, read or asked for anew. NotFound: this place is not set up here, try the
  // next one. Any other error: it is set up and does not work; nobody else is asked.
  virtual absl::StatusOr<Credentials> Load() = 0;

  // From any thread: Load returns Cancelled, now and later, within 100 ms.
  virtual void Cancel() = 0;

  // For messages: "environment variables".
  virtual std::string Describe() const = 0;
};

// Asks its providers in order and keeps what the first one gave until shortly before it expires.
// Any thread; one of them refreshes, in its own time, while the others wait for it.
class CredentialChain {
 public:
  // Refreshed when they hold for no longer than this.
  static constexpr absl::Duration kRefreshBeforeExpiry = absl::Minutes(5);
  // When refreshing fails while they still hold, the next attempt comes after this.
  static constexpr absl::Duration kRetryRefreshAfter = absl::Seconds(10);

  CredentialChain(std::vector<std::unique_ptr<CredentialProvider>> providers,
                  const Environment& environment);
  ~CredentialChain();

  // Credentials that hold. Unauthenticated when nobody has any, naming where it looked;
  // PermissionDenied when they expired or the service refuses; Unavailable or DeadlineExceeded when
  // the service that gives them does not answer; Cancelled. Never NotFound.
  absl::StatusOr<Credentials> Get();

  // The server refused `used`: new ones, asked for at once unless another thread just did.
  // Errors as Get; PermissionDenied when the provider gives the same again.
  absl::StatusOr<Credentials> Replace(const Credentials& used);

  // From any thread: calls underway and later ones return Cancelled.
  void Cancel();

  // For messages: "credentials from the environment variables"; names no secret.
  std::string Describe() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// What the providers are made from. Empty members fall back to the environment.
struct CredentialOptions {
  std::string profile{};
  std::string region{};   // for the regional STS endpoint
  std::string ca_file{};  // for https to STS and the like
};

// The whole chain in the order above; looks at files and services when it is first asked.
std::unique_ptr<CredentialChain> DefaultCredentialChain(const CredentialOptions& options,
                                                        const Environment& environment);

}  // namespace fmserve::s3

#endif  // FMSERVE_S3_CREDENTIALS_H_
