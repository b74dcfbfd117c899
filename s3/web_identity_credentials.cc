#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "s3/answers.h"
#include "s3/credential_providers.h"
#include "s3/encoding.h"
#include "s3/endpoint.h"
#include "s3/errors.h"
#include "s3/files.h"

namespace fmserve::s3 {
namespace {

constexpr size_t kMaxWebTokenBytes = 64 << 10;

absl::StatusOr<Endpoint> StsEndpoint(const std::string& region, const Environment& environment) {
  for (const char* const name : {"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"}) {
    const std::string url = environment.variable(name);
    if (url.empty()) continue;
    absl::StatusOr<Endpoint> endpoint = ParseEndpoint(url);
    if (endpoint.ok()) return endpoint;
    return absl::UnauthenticatedError(absl::StrCat(name, ": ", endpoint.status().message()));
  }
  return AwsEndpoint("sts", region);
}

// STS names a bad or expired token by 400 as by 403.
absl::Status Refused(const HttpResponse& response, const Endpoint& endpoint,
                     const WebIdentity& identity, const Environment& environment) {
  const ErrorAnswer error = ParseError(response.body);
  const ErrorSubject subject{.what = absl::StrCat("AssumeRoleWithWebIdentity at ", endpoint.Url(),
                                                  " for role ", Quoted(identity.role_arn, 200),
                                                  " with the token of ", identity.token_file),
                             .region = {}};
  const absl::Status status = ToStatus(response, error, subject, environment.now());
  const bool passing = response.status >= 500 || response.status == 429 ||
                       error.code == "IDPCommunicationError" || error.code == "Throttling";
  if (passing) {
    return absl::IsUnavailable(status) ? status : absl::UnavailableError(status.message());
  }
  return absl::PermissionDeniedError(absl::StrCat(
      status.message(), "; look at the role's trust policy and at the token's age and audience"));
}

class WebIdentityProvider : public CredentialProvider {
 public:
  WebIdentityProvider(const CredentialOptions& options, const Environment& environment)
      : region_(options.region), environment_(environment), http_(HttpOptionsFor(options)) {}

  absl::StatusOr<Credentials> Load() override {
    if (http_.cancelled()) return absl::CancelledError("the call was cancelled");
    const WebIdentity identity{.token_file = environment_.variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
                               .role_arn = environment_.variable("AWS_ROLE_ARN"),
                               .session_name = environment_.variable("AWS_ROLE_SESSION_NAME")};
    if (identity.token_file.empty()) {
      return absl::NotFoundError("AWS_WEB_IDENTITY_TOKEN_FILE is not set");
    }
    return AssumeRoleWithWebIdentity(identity, region_, environment_, http_);
  }

  void Cancel() override { http_.Cancel(); }
  std::string Describe() const override { return "web identity"; }

 private:
  static HttpOptions HttpOptionsFor(const CredentialOptions& options) {
    HttpOptions http = CredentialServiceOptions(/*connect_timeout_ms=*/5'000);
    http.ca_file = options.ca_file;
    http.proxy = true;
    return http;
  }

  const std::string region_;
  const Environment environment_;
  HttpClient http_;
};

}  // namespace

absl::StatusOr<Credentials> AssumeRoleWithWebIdentity(const WebIdentity& identity,
                                                      const std::string& region,
                                                      const Environment& environment,
                                                      HttpClient& http) {
  if (identity.role_arn.empty()) {
    return absl::UnauthenticatedError(
        "there is a web identity token but no role; set AWS_ROLE_ARN, or role_arn of the profile");
  }
  const absl::StatusOr<std::string> token = ReadFile(identity.token_file, kMaxWebTokenBytes);
  if (!token.ok()) return absl::UnauthenticatedError(token.status().message());
  const absl::StatusOr<Endpoint> endpoint = StsEndpoint(region, environment);
  if (!endpoint.ok()) return endpoint.status();
  const std::string body = CanonicalQuery(
      {{"Action", "AssumeRoleWithWebIdentity"},
       {"Version", "2011-06-15"},
       {"RoleArn", identity.role_arn},
       {"RoleSessionName", identity.session_name.empty() ? "fmserve" : identity.session_name},
       {"WebIdentityToken", std::string(absl::StripAsciiWhitespace(*token))}});
  HttpRequest request{.method = "POST", .url = absl::StrCat(endpoint->Url(), "/")};
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  request.body = AsBytes(body);
  const absl::StatusOr<HttpResponse> response = http.Send(request);
  if (!response.ok()) return Prefixed(response.status(), "STS");
  if (response->status == 200) return ParseAssumedRole(response->body);
  return Scrubbed(Refused(*response, *endpoint, identity, environment),
                  {.session_token = std::string(absl::StripAsciiWhitespace(*token))});
}

std::unique_ptr<CredentialProvider> WebIdentityCredentials(const CredentialOptions& options,
                                                           const Environment& environment) {
  return std::make_unique<WebIdentityProvider>(options, environment);
}

}  // namespace fmserve::s3
