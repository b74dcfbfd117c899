#include "s3/signing.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <map>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "s3/encoding.h"

namespace fmserve::s3 {
namespace {

constexpr char kAlgorithm[] = "AWS4-HMAC-SHA256";

std::string Hmac(std::string_view key, std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  return {reinterpret_cast<const char*>(digest), size};
}

struct CanonicalRequest {
  std::string sha256{};
  std::string signed_headers{};
};

CanonicalRequest Canonicalize(const UnsignedRequest& request, const HttpHeaders& headers) {
  std::map<std::string, std::string> sorted;
  for (const auto& [name, value] : headers) sorted[absl::AsciiStrToLower(name)] = value;
  std::string lines;
  std::string names;
  for (const auto& [name, value] : sorted) {
    absl::StrAppend(&lines, name, ":", absl::StripAsciiWhitespace(value), "\n");
    absl::StrAppend(&names, names.empty() ? "" : ";", name);
  }
  const std::string text = absl::StrCat(request.method, "\n", request.path, "\n", request.query,
                                        "\n", lines, "\n", names, "\n", request.payload_sha256);
  return {.sha256 = Sha256Hex(AsBytes(text)), .signed_headers = names};
}

}  // namespace

HttpHeaders Sign(const UnsignedRequest& request, const Credentials& credentials,
                 const std::string& region, absl::Time time) {
  const std::string stamp = absl::FormatTime("%Y%m%dT%H%M%SZ", time, absl::UTCTimeZone());
  const std::string day = stamp.substr(0, 8);
  HttpHeaders headers = request.headers;
  headers.emplace_back("X-Amz-Date", stamp);
  headers.emplace_back("X-Amz-Content-Sha256", request.payload_sha256);
  if (!credentials.session_token.empty()) {
    headers.emplace_back("X-Amz-Security-Token", credentials.session_token);
  }
  const CanonicalRequest canonical = Canonicalize(request, headers);
  const std::string scope = absl::StrCat(day, "/", region, "/s3/aws4_request");
  const std::string text =
      absl::StrCat(kAlgorithm, "\n", stamp, "\n", scope, "\n", canonical.sha256);
  std::string key = Hmac(absl::StrCat("AWS4", credentials.secret_access_key), day);
  for (const char* const part : {region.c_str(), "s3", "aws4_request"}) key = Hmac(key, part);
  headers.emplace_back("Authorization",
                       absl::StrCat(kAlgorithm, " Credential=", credentials.access_key_id, "/",
                                    scope, ",SignedHeaders=", canonical.signed_headers,
                                    ",Signature=", absl::BytesToHexString(Hmac(key, text))));
  return headers;
}

}  // namespace fmserve::s3
