#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "s3/credential_providers.h"
#include "s3/encoding.h"
#include "s3/endpoint.h"

namespace fmserve::s3 {
namespace {

constexpr char kRolePath[] = "/latest/meta-data/iam/security-credentials/";

class InstanceProvider : public CredentialProvider {
 public:
  // The service is one hop away, or not there at all.
  explicit InstanceProvider(const Environment& environment)
      : environment_(environment), http_(CredentialServiceOptions(/*connect_timeout_ms=*/1'000)) {}

  absl::StatusOr<Credentials> Load() override;
  void Cancel() override { http_.Cancel(); }
  std::string Describe() const override { return "instance metadata service"; }

 private:
  absl::StatusOr<std::string> BaseUrl() const;
  absl::StatusOr<std::string> SessionToken(const std::string& base);
  absl::StatusOr<std::string> Read(const std::string& url, const std::string& token);

  const Environment environment_;
  HttpClient http_;
};

absl::StatusOr<std::string> InstanceProvider::BaseUrl() const {
  const std::string url = environment_.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  const std::string mode = environment_.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
  if (url.empty()) {
    return absl::EqualsIgnoreCase(mode, "ipv6") ? "http://[fd00:ec2::254]"
                                                : "http://169.254.169.254";
  }
  const absl::StatusOr<Endpoint> endpoint = ParseEndpoint(url);
  if (endpoint.ok()) return endpoint->Url();
  return absl::UnauthenticatedError(
      absl::StrCat("AWS_EC2_METADATA_SERVICE_ENDPOINT: ", endpoint.status().message()));
}

// Of IMDSv2. No answer means that this is no instance, or that the answer may not go as far as into
// a container.
absl::StatusOr<std::string> InstanceProvider::SessionToken(const std::string& base) {
  HttpRequest request{.method = "PUT", .url = absl::StrCat(base, "/latest/api/token")};
  request.headers = {{"X-aws-ec2-metadata-token-ttl-seconds", "21600"}};
  const absl::StatusOr<HttpResponse> response = http_.Send(request);
  if (absl::IsCancelled(response.status())) return response.status();
  if (!response.ok()) {
    return absl::NotFoundError(absl::StrCat(
        "no answer (", response.status().message(),
        "); in a container on EC2, the instance's metadata hop limit has to be 2 or more"));
  }
  if (response->status == 200 && !response->body.empty() && IsPrintable(response->body)) {
    return response->body;
  }
  const std::string message = absl::StrCat("HTTP ", response->status, " to the request of a token");
  if (response->status >= 500 || response->status == 429) return absl::UnavailableError(message);
  return absl::NotFoundError(message);
}

absl::StatusOr<std::string> InstanceProvider::Read(const std::string& url,
                                                   const std::string& token) {
  HttpRequest request{.method = "GET", .url = url};
  request.headers = {{"X-aws-ec2-metadata-token", token}};
  absl::StatusOr<HttpResponse> response = http_.Send(request);
  if (!response.ok()) return response.status();
  if (response->status == 200) return std::move(response->body);
  const std::string message = absl::StrCat("HTTP ", response->status);
  if (response->status == 404) {
    return absl::NotFoundError(absl::StrCat(message, ": the instance has no role"));
  }
  return absl::UnavailableError(message);
}

absl::StatusOr<Credentials> InstanceProvider::Load() {
  if (http_.cancelled()) return absl::CancelledError("the call was cancelled");
  if (absl::EqualsIgnoreCase(environment_.variable("AWS_EC2_METADATA_DISABLED"), "true")) {
    return absl::NotFoundError("AWS_EC2_METADATA_DISABLED is set");
  }
  const absl::StatusOr<std::string> base = BaseUrl();
  if (!base.ok()) return base.status();
  const absl::StatusOr<std::string> token = SessionToken(*base);
  if (!token.ok()) return token.status();
  const absl::StatusOr<std::string> roles = Read(absl::StrCat(*base, kRolePath), *token);
  if (!roles.ok()) return roles.status();
  const std::string role(
      absl::StripAsciiWhitespace(absl::string_view(*roles).substr(0, roles->find('\n'))));
  if (role.empty()) return absl::NotFoundError("the instance has no role");
  const absl::StatusOr<std::string> json =
      Read(absl::StrCat(*base, kRolePath, UriEncode(role)), *token);
  if (!json.ok()) return json.status();
  return ParseCredentialsJson(*json);
}

}  // namespace

std::unique_ptr<CredentialProvider> InstanceCredentials(const Environment& environment) {
  return std::make_unique<InstanceProvider>(environment);
}

}  // namespace fmserve::s3
