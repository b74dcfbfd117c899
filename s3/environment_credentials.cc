#include <atomic>

#include "s3/credential_providers.h"

namespace fmserve::s3 {
namespace {

class EnvironmentProvider : public CredentialProvider {
 public:
  explicit EnvironmentProvider(const Environment& environment) : environment_(environment) {}

  absl::StatusOr<Credentials> Load() override {
    if (cancelled_) return absl::CancelledError("the call was cancelled");
    Credentials credentials{.access_key_id = environment_.variable("AWS_ACCESS_KEY_ID"),
                            .secret_access_key = environment_.variable("AWS_SECRET_ACCESS_KEY"),
                            .session_token = environment_.variable("AWS_SESSION_TOKEN")};
    if (credentials.access_key_id.empty() && credentials.secret_access_key.empty()) {
      return absl::NotFoundError("AWS_ACCESS_KEY_ID is not set");
    }
    if (credentials.access_key_id.empty()) {
      return absl::UnauthenticatedError("AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not");
    }
    if (credentials.secret_access_key.empty()) {
      return absl::UnauthenticatedError("AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not");
    }
    return credentials;
  }

  void Cancel() override { cancelled_ = true; }
  std::string Describe() const override { return "environment variables"; }

 private:
  const Environment environment_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace

std::unique_ptr<CredentialProvider> EnvironmentCredentials(const Environment& environment) {
  return std::make_unique<EnvironmentProvider>(environment);
}

}  // namespace fmserve::s3
