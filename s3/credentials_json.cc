#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "s3/credential_providers.h"
#include "s3/encoding.h"

namespace fmserve::s3 {
namespace {

constexpr size_t kMaxKeyBytes = 1'024;
constexpr size_t kMaxSessionTokenBytes = 16 << 10;

std::string Member(const nlohmann::json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

}  // namespace

absl::StatusOr<Credentials> ParseCredentialsJson(std::string_view json) {
  const nlohmann::json object =
      nlohmann::json::parse(json, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return absl::InternalError("the answer is no JSON object");
  Credentials credentials{.access_key_id = Member(object, "AccessKeyId"),
                          .secret_access_key = Member(object, "SecretAccessKey"),
                          .session_token = Member(object, "Token")};
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    return absl::InternalError(
        absl::StrCat("the answer holds no credentials: ", Quoted(Member(object, "Code"), 64), " ",
                     Quoted(Member(object, "Message"))));
  }
  const std::string expiration = Member(object, "Expiration");
  std::string error;
  if (!expiration.empty() &&
      !absl::ParseTime(absl::RFC3339_full, expiration, &credentials.expires, &error)) {
    return absl::InternalError("the answer's Expiration is no RFC 3339 time");
  }
  return credentials;
}

absl::Status CheckCredentials(const Credentials& credentials, const std::string& where) {
  const auto good = [](const std::string& text, size_t max_bytes) {
    return text.size() <= max_bytes && IsPrintable(text);
  };
  if (!good(credentials.access_key_id, kMaxKeyBytes) ||
      !good(credentials.secret_access_key, kMaxKeyBytes) ||
      !good(credentials.session_token, kMaxSessionTokenBytes)) {
    return absl::UnauthenticatedError(absl::StrCat(
        where, ": a key or token has spaces, line ends or strange characters in it, or is very ",
        "long; was it copied whole, and nothing else?"));
  }
  return absl::OkStatus();
}

HttpOptions CredentialServiceOptions(int connect_timeout_ms) {
  return {.connect_timeout_ms = connect_timeout_ms,
          .stall = {.bytes_per_second = 1, .seconds = 5},
          .ca_file = {},
          .proxy = false};
}

}  // namespace fmserve::s3
