// HTTP/1.1 through libcurl: one call, one answer, no redirects, no retries.
#ifndef FMSERVE_S3_HTTP_H_
#define FMSERVE_S3_HTTP_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "s3/stall_watch.h"

namespace fmserve::s3 {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpResponse {
  int status = 0;                                // 200 …
  std::map<std::string, std::string> headers{};  // names in lower case; the last of each
  std::string body{};                            // of another status than 2xx, the first 64 KiB

  // Empty when there is none.
  std::string Header(const std::string& name) const;
  // From Date; nothing when it is missing or no date.
  std::optional<absl::Time> Date() const;
  // From Content-Length.
  std::optional<uint64_t> ContentLength() const;
};

struct HttpRequest {
  std::string method = "GET";  // GET HEAD PUT POST DELETE
  std::string url{};
  HttpHeaders headers{};
  std::span<const std::byte> body{};   // of PUT and POST
  uint64_t max_body_bytes = 64 << 10;  // of a 2xx; when it is longer: ResourceExhausted
  // When set, it sees the headers of a 2xx before its body; its error ends the call.
  std::function<absl::Status(const HttpResponse&)> begin{};
  // When set, it takes the body of a 2xx, which then is not kept.
  std::function<absl::Status(std::span<const std::byte>)> sink{};
  std::stop_token stop{};
  std::optional<StallLimit> stall{};  // another than the client's
};

struct HttpOptions {
  int connect_timeout_ms = 5'000;
  StallLimit stall{};
  std::string ca_file{};  // PEM; empty: the system's
  bool proxy = true;      // as http_proxy and the like say
};

// Calls from any thread, each with a connection of its own, which is kept for later ones.
class HttpClient {
 public:
  explicit HttpClient(const HttpOptions& options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Any status is an answer. Errors: Unavailable when there is no connection or it breaks,
  // DeadlineExceeded, ResourceExhausted, Cancelled, and those of `begin` and `sink`. They name the
  // host, but neither headers nor what follows the host in the URL.
  absl::StatusOr<HttpResponse> Send(const HttpRequest& request);

  // From any thread: calls underway end within 100 ms as Cancelled, and later ones at once.
  void Cancel() { cancelled_ = true; }
  bool cancelled() const { return cancelled_; }

 private:
  class Connection;
  class Transfer;

  std::unique_ptr<Connection> Take();
  void GiveBack(std::unique_ptr<Connection> connection);

  const HttpOptions options_;
  std::atomic<bool> cancelled_ = false;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;  // guarded by mutex_
};

}  // namespace fmserve::s3

#endif  // FMSERVE_S3_HTTP_H_
