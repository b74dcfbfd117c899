#include "s3/endpoint.h"

#include <curl/curl.h>

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "s3/encoding.h"

namespace fmserve::s3 {
namespace {

// A part of a URL; empty when it has none.
std::string Part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  const std::unique_ptr<char, void (*)(void*)> owned(text, &curl_free);
  return text;
}

}  // namespace

absl::StatusOr<Endpoint> ParseEndpoint(const std::string& url) {
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parts(curl_url(), &curl_url_cleanup);
  const bool parsed =
      IsPrintable(url) && curl_url_set(parts.get(), CURLUPART_URL, url.c_str(), 0) == CURLUE_OK;
  Endpoint endpoint{.scheme = Part(parts.get(), CURLUPART_SCHEME),
                    .host = Part(parts.get(), CURLUPART_HOST)};
  const bool plain =
      Part(parts.get(), CURLUPART_USER).empty() && Part(parts.get(), CURLUPART_PASSWORD).empty() &&
      Part(parts.get(), CURLUPART_QUERY).empty() && Part(parts.get(), CURLUPART_FRAGMENT).empty() &&
      Part(parts.get(), CURLUPART_PATH) == "/";
  const bool http = endpoint.scheme == "http" || endpoint.scheme == "https";
  if (!parsed || !plain || !http || endpoint.host.empty()) {
    // Not repeated: it may hold a password.
    return absl::InvalidArgumentError(
        "an endpoint is https://host[:port] or http://host[:port], without path, user or query");
  }
  const std::string port = Part(parts.get(), CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
  if (!port.empty()) absl::StrAppend(&endpoint.host, ":", port);
  return endpoint;
}

Endpoint AwsEndpoint(const std::string& service, const std::string& region) {
  const char* const domain = absl::StartsWith(region, "cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  return {.scheme = "https", .host = absl::StrCat(service, ".", region, ".", domain)};
}

std::string BucketAddress::Path(std::string_view key) const {
  return absl::StrCat(bucket_path, "/", UriEncodePath(key));
}

BucketAddress AddressBucket(const Endpoint& endpoint, const std::string& bucket,
                            bool virtual_host) {
  if (!virtual_host) return {.endpoint = endpoint, .bucket_path = absl::StrCat("/", bucket)};
  return {.endpoint = {.scheme = endpoint.scheme, .host = absl::StrCat(bucket, ".", endpoint.host)},
          .bucket_path = ""};
}

}  // namespace fmserve::s3
