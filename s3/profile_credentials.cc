#include "absl/strings/str_cat.h"
#include "s3/credential_providers.h"
#include "s3/encoding.h"
#include "s3/profile.h"

namespace fmserve::s3 {
namespace {

// Ways to get credentials that a profile may name and that are not done here.
constexpr const char* kUnsupported[] = {"credential_process", "sso_session",       "sso_start_url",
                                        "source_profile",     "credential_source", "login_session"};

class ProfileProvider : public CredentialProvider {
 public:
  ProfileProvider(const CredentialOptions& options, const Environment& environment)
      : options_(options), environment_(environment), http_(HttpOptionsFor(options)) {}

  absl::StatusOr<Credentials> Load() override;
  void Cancel() override { http_.Cancel(); }
  std::string Describe() const override {
    return options_.profile.empty() ? "profile of the shared files"
                                    : absl::StrCat("profile '", Quoted(options_.profile, 64), "'");
  }

 private:
  static HttpOptions HttpOptionsFor(const CredentialOptions& options) {
    HttpOptions http = CredentialServiceOptions(/*connect_timeout_ms=*/5'000);
    http.ca_file = options.ca_file;
    http.proxy = true;
    return http;
  }

  const CredentialOptions options_;
  const Environment environment_;
  HttpClient http_;
};

// What to say of a profile without credentials.
absl::Status NoCredentials(const Profile& profile, const std::string& where) {
  if (!profile.found && profile.named) {
    return absl::UnauthenticatedError(absl::StrCat(where,
                                                   " is in neither ~/.aws/credentials nor "
                                                   "~/.aws/config (or the files that "
                                                   "AWS_SHARED_CREDENTIALS_FILE and "
                                                   "AWS_CONFIG_FILE name)"));
  }
  for (const char* const key : kUnsupported) {
    if (profile.Get(key).empty()) continue;
    return absl::UnauthenticatedError(
        absl::StrCat(where, " uses ", key,
                     ", which is not supported; give keys, a web identity, or use the role of the "
                     "machine"));
  }
  return absl::NotFoundError(absl::StrCat(where, " holds no keys"));
}

absl::StatusOr<Credentials> ProfileProvider::Load() {
  if (http_.cancelled()) return absl::CancelledError("the call was cancelled");
  const absl::StatusOr<Profile> profile = LoadProfile(options_.profile, environment_);
  if (!profile.ok()) return absl::UnauthenticatedError(profile.status().message());
  const std::string where = absl::StrCat("profile '", Quoted(profile->name, 64), "'");
  if (!profile->Get("web_identity_token_file").empty()) {
    return AssumeRoleWithWebIdentity({.token_file = profile->Get("web_identity_token_file"),
                                      .role_arn = profile->Get("role_arn"),
                                      .session_name = profile->Get("role_session_name")},
                                     options_.region, environment_, http_);
  }
  Credentials credentials{.access_key_id = profile->Get("aws_access_key_id"),
                          .secret_access_key = profile->Get("aws_secret_access_key"),
                          .session_token = profile->Get("aws_session_token")};
  if (credentials.access_key_id.empty() && credentials.secret_access_key.empty()) {
    return NoCredentials(*profile, where);
  }
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    return absl::UnauthenticatedError(absl::StrCat(
        where, " has only one of aws_access_key_id and aws_secret_access_key; give both"));
  }
  return credentials;
}

}  // namespace

std::unique_ptr<CredentialProvider> ProfileCredentials(const CredentialOptions& options,
                                                       const Environment& environment) {
  return std::make_unique<ProfileProvider>(options, environment);
}

}  // namespace fmserve::s3
