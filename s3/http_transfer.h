// How HttpClient does one call. For http.cc and http_transfer.cc alone.
#ifndef FMSERVE_S3_HTTP_TRANSFER_H_
#define FMSERVE_S3_HTTP_TRANSFER_H_

#include <curl/curl.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "s3/http.h"

namespace fmserve::s3 {

// An easy handle inside a multi handle, which keeps its connection open.
class HttpClient::Connection {
 public:
  Connection() : multi_(curl_multi_init()), easy_(curl_easy_init()) {}
  ~Connection() {
    curl_easy_cleanup(easy_);
    curl_multi_cleanup(multi_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool ok() const { return multi_ != nullptr && easy_ != nullptr; }
  CURLM* multi() { return multi_; }
  CURL* easy() { return easy_; }

 private:
  CURLM* const multi_;
  CURL* const easy_;
};

// One call on one connection.
class HttpClient::Transfer {
 public:
  Transfer(const HttpClient& client, const HttpRequest& request, Connection& connection)
      : client_(client), request_(request), connection_(connection) {}

  // Afterwards `reusable` tells whether the connection may serve again.
  absl::StatusOr<HttpResponse> Run(bool& reusable);

 private:
  void SetOptions();
  void SetBody();
  absl::Status Drive(CURLcode& result);
  std::chrono::nanoseconds BusyTime() const {
    return std::chrono::steady_clock::now().time_since_epoch() - sink_time_;
  }
  uint64_t BytesMoved() const;
  bool Stopped() const { return client_.cancelled_ || request_.stop.stop_requested(); }
  bool Succeeded() const { return response_.status / 100 == 2; }
  absl::Status TakeHeader(std::string_view line);
  absl::Status TakeBody(std::span<const std::byte> bytes);
  absl::Status BeginBody();

  static size_t OnHeader(char* data, size_t size, size_t count, void* self);
  static size_t OnBody(char* data, size_t size, size_t count, void* self);

  const HttpClient& client_;
  const HttpRequest& request_;
  Connection& connection_;
  HttpResponse response_;
  absl::Status error_;  // of a callback
  char details_[CURL_ERROR_SIZE] = "";
  curl_slist* headers_ = nullptr;
  size_t header_bytes_ = 0;
  uint64_t body_bytes_ = 0;
  std::chrono::nanoseconds sink_time_{0};
  bool begun_ = false;
  bool cut_ = false;  // a long error: what came is enough
};

}  // namespace fmserve::s3

#endif  // FMSERVE_S3_HTTP_TRANSFER_H_
