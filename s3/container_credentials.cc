#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "s3/credential_providers.h"
#include "s3/encoding.h"
#include "s3/endpoint.h"
#include "s3/errors.h"
#include "s3/files.h"

namespace fmserve::s3 {
namespace {

constexpr size_t kMaxAgentTokenBytes = 64 << 10;

// Hosts that may see the authorization token over plain HTTP: this machine, and the agents of ECS
// and EKS.
bool IsLocalAgent(const std::string& host) {
  const size_t colon = host.rfind(':');
  const bool has_port = colon != std::string::npos && host.find(']', colon) == std::string::npos;
  const std::string name = has_port ? host.substr(0, colon) : host;
  static constexpr const char* kNames[] = {"localhost", "[::1]", "169.254.170.2", "169.254.170.23",
                                           "[fd00:ec2::23]"};
  const bool loopback =
      absl::StartsWith(name, "127.") && name.find_first_not_of("0123456789.") == std::string::npos;
  return loopback || std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

absl::Status CheckFullUri(const std::string& uri) {
  constexpr size_t kSchemeBytes = 8;  // "https://"
  const absl::StatusOr<Endpoint> endpoint =
      ParseEndpoint(uri.substr(0, uri.find_first_of("/?#", std::min(kSchemeBytes, uri.size()))));
  const bool allowed = IsPrintable(uri) && endpoint.ok() &&
                       (endpoint->scheme == "https" || IsLocalAgent(endpoint->host));
  if (allowed) return absl::OkStatus();
  return absl::UnauthenticatedError(
      "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor http to this machine or to the "
      "agents of ECS and EKS (169.254.170.2, 169.254.170.23)");
}

class ContainerProvider : public CredentialProvider {
 public:
  ContainerProvider(const CredentialOptions& options, const Environment& environment,
                    std::string relative_base)
      : environment_(environment),
        relative_base_(std::move(relative_base)),
        http_(HttpOptionsFor(options)) {}

  absl::StatusOr<Credentials> Load() override;
  void Cancel() override { http_.Cancel(); }
  std::string Describe() const override { return "container"; }

 private:
  static HttpOptions HttpOptionsFor(const CredentialOptions& options) {
    HttpOptions http = CredentialServiceOptions(/*connect_timeout_ms=*/2'000);
    http.ca_file = options.ca_file;
    return http;
  }
  absl::StatusOr<std::string> Url() const;
  absl::StatusOr<std::string> AuthorizationToken() const;

  const Environment environment_;
  const std::string relative_base_;
  HttpClient http_;
};

absl::StatusOr<std::string> ContainerProvider::Url() const {
  const std::string relative = environment_.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  if (!relative.empty()) {
    if (relative[0] == '/' && IsPrintable(relative)) return absl::StrCat(relative_base_, relative);
    return absl::UnauthenticatedError(
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with a slash");
  }
  const std::string full = environment_.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (full.empty()) {
    return absl::NotFoundError(
        "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is "
        "set");
  }
  if (absl::Status status = CheckFullUri(full); !status.ok()) return status;
  return full;
}

// Empty when there is none.
absl::StatusOr<std::string> ContainerProvider::AuthorizationToken() const {
  std::string token = environment_.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  const std::string file = environment_.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  if (!file.empty()) {
    absl::StatusOr<std::string> content = ReadFile(file, kMaxAgentTokenBytes);
    if (!content.ok()) return absl::UnauthenticatedError(content.status().message());
    token = std::string(absl::StripAsciiWhitespace(*content));
  }
  if (IsPrintable(token)) return token;
  return absl::UnauthenticatedError("the container's authorization token has strange characters");
}

absl::StatusOr<Credentials> ContainerProvider::Load() {
  if (http_.cancelled()) return absl::CancelledError("the call was cancelled");
  const absl::StatusOr<std::string> url = Url();
  if (!url.ok()) return url.status();
  const absl::StatusOr<std::string> token = AuthorizationToken();
  if (!token.ok()) return token.status();
  HttpRequest request{.method = "GET", .url = *url};
  if (!token->empty()) request.headers = {{"Authorization", *token}};
  const absl::StatusOr<HttpResponse> response = http_.Send(request);
  if (!response.ok()) return response.status();
  if (response->status == 200) return ParseCredentialsJson(response->body);
  const std::string message =
      absl::StrCat("the agent that AWS_CONTAINER_CREDENTIALS_… names answers HTTP ",
                   response->status, "; look at the role of the task or pod");
  const bool passing = response->status >= 500 || response->status == 429;
  return passing ? absl::UnavailableError(message) : absl::PermissionDeniedError(message);
}

}  // namespace

std::unique_ptr<CredentialProvider> ContainerCredentials(const CredentialOptions& options,
                                                         const Environment& environment,
                                                         const std::string& relative_base) {
  return std::make_unique<ContainerProvider>(options, environment, relative_base);
}

}  // namespace fmserve::s3
