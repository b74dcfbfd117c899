#include "s3/http.h"

#include <curl/curl.h>

#include "absl/strings/numbers.h"
#include "s3/http_transfer.h"

namespace fmserve::s3 {
namespace {

constexpr size_t kMaxIdleConnections = 16;

void InitializeCurlOnce() {
  static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)initialized;
}

}  // namespace

std::string HttpResponse::Header(const std::string& name) const {
  const auto it = headers.find(name);
  return it == headers.end() ? "" : it->second;
}

std::optional<absl::Time> HttpResponse::Date() const {
  const std::string date = Header("date");
  const time_t seconds = date.empty() ? -1 : curl_getdate(date.c_str(), nullptr);
  if (seconds < 0) return std::nullopt;
  return absl::FromTimeT(seconds);
}

std::optional<uint64_t> HttpResponse::ContentLength() const {
  uint64_t length = 0;
  if (!absl::SimpleAtoi(Header("content-length"), &length)) return std::nullopt;
  return length;
}

HttpClient::HttpClient(const HttpOptions& options) : options_(options) { InitializeCurlOnce(); }

HttpClient::~HttpClient() = default;

std::unique_ptr<HttpClient::Connection> HttpClient::Take() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::make_unique<Connection>();
  std::unique_ptr<Connection> connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

void HttpClient::GiveBack(std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kMaxIdleConnections) idle_.push_back(std::move(connection));
}

absl::StatusOr<HttpResponse> HttpClient::Send(const HttpRequest& request) {
  if (cancelled_ || request.stop.stop_requested()) {
    return absl::CancelledError("the call was cancelled");
  }
  std::unique_ptr<Connection> connection = Take();
  if (!connection->ok()) return absl::ResourceExhaustedError("no memory or files for a connection");
  bool reusable = false;
  absl::StatusOr<HttpResponse> response = Transfer(*this, request, *connection).Run(reusable);
  if (reusable) GiveBack(std::move(connection));
  return response;
}

}  // namespace fmserve::s3
