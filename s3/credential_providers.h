// The places where credentials may be, one source file each. What they load is checked: printable,
// bounded, with a secret. None of their messages holds what they read.
#ifndef FMSERVE_S3_CREDENTIAL_PROVIDERS_H_
#define FMSERVE_S3_CREDENTIAL_PROVIDERS_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "s3/credentials.h"
#include "s3/environment.h"
#include "s3/http.h"

namespace fmserve::s3 {

std::unique_ptr<CredentialProvider> EnvironmentCredentials(const Environment& environment);

// Static keys, or role_arn with web_identity_token_file. Other ways that a profile may name are
// refused by name.
std::unique_ptr<CredentialProvider> ProfileCredentials(const CredentialOptions& options,
                                                       const Environment& environment);

// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
// Reads the token's file anew each time. STS: AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, or AWS's for
// the region.
std::unique_ptr<CredentialProvider> WebIdentityCredentials(const CredentialOptions& options,
                                                           const Environment& environment);

// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
// `relative_base`: what AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is relative to.
std::unique_ptr<CredentialProvider> ContainerCredentials(
    const CredentialOptions& options, const Environment& environment,
    const std::string& relative_base = "http://169.254.170.2");

// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
std::unique_ptr<CredentialProvider> InstanceCredentials(const Environment& environment);

// For the providers themselves.

// What one needs to assume a role.
struct WebIdentity {
  std::string token_file{};
  std::string role_arn{};
  std::string session_name{};  // may be empty
};
absl::StatusOr<Credentials> AssumeRoleWithWebIdentity(const WebIdentity& identity,
                                                      const std::string& region,
                                                      const Environment& environment,
                                                      HttpClient& http);

// {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"} of containers and instances. Internal
// when something is missing, with the service's own `Code` and `Message`.
absl::StatusOr<Credentials> ParseCredentialsJson(std::string_view json);

// Ok when they can be sent; `where` is for the message. Unauthenticated.
absl::Status CheckCredentials(const Credentials& credentials, const std::string& where);

// Connections to services that give credentials: short patience.
HttpOptions CredentialServiceOptions(int connect_timeout_ms);

}  // namespace fmserve::s3

#endif  // FMSERVE_S3_CREDENTIAL_PROVIDERS_H_
