#include "s3/http_transfer.h"

#include <algorithm>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "s3/encoding.h"

namespace fmserve::s3 {
namespace {

constexpr size_t kMaxHeaderBytes = 64 << 10;
constexpr size_t kMaxErrorBytes = 64 << 10;
constexpr int kPollMs = 50;  // how long a cancelled call may go unnoticed

absl::Status CurlStatus(CURLcode code, const char* details, const std::string& host) {
  const std::string what =
      absl::StrCat(host, ": ", details[0] != '\0' ? details : curl_easy_strerror(code));
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return absl::DeadlineExceededError(what);
    case CURLE_PEER_FAILED_VERIFICATION:
      return absl::UnavailableError(
          absl::StrCat(what, "; if the server's certificate is right, name its CA in ca_file"));
    case CURLE_SSL_CACERT_BADFILE:
      return absl::UnavailableError(absl::StrCat(what, "; look at ca_file"));
    default:
      return absl::UnavailableError(what);
  }
}

// scheme://host[:port] of a URL.
std::string HostOf(const std::string& url) {
  const size_t scheme = url.find("://");
  return url.substr(0, url.find_first_of("/?#", scheme == std::string::npos ? 0 : scheme + 3));
}

}  // namespace

absl::Status HttpClient::Transfer::TakeHeader(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > kMaxHeaderBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the answer has over ", kMaxHeaderBytes, " bytes of headers"));
  }
  if (line.starts_with("HTTP/")) {  // also that of a 100, before that of the answer
    response_.headers.clear();
    return absl::OkStatus();
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return absl::OkStatus();
  std::string value(absl::StripAsciiWhitespace(ToAbsl(line.substr(colon + 1))));
  response_.headers[absl::AsciiStrToLower(ToAbsl(line.substr(0, colon)))] = std::move(value);
  return absl::OkStatus();
}

// Before the first byte of the body.
absl::Status HttpClient::Transfer::BeginBody() {
  begun_ = true;
  long status = 0;
  curl_easy_getinfo(connection_.easy(), CURLINFO_RESPONSE_CODE, &status);
  response_.status = static_cast<int>(status);
  if (!Succeeded()) return absl::OkStatus();
  if (request_.begin != nullptr) {
    if (absl::Status refused = request_.begin(response_); !refused.ok()) return refused;
  }
  const std::optional<uint64_t> length = response_.ContentLength();
  if (request_.method == "HEAD" || length.value_or(0) <= request_.max_body_bytes) {
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(absl::StrCat("the answer has ", *length, " bytes; at most ",
                                                   request_.max_body_bytes, " are taken"));
}

absl::Status HttpClient::Transfer::TakeBody(std::span<const std::byte> bytes) {
  if (Stopped()) return absl::CancelledError("the call was cancelled");
  if (!begun_) {
    if (absl::Status status = BeginBody(); !status.ok()) return status;
  }
  body_bytes_ += bytes.size();
  if (!Succeeded()) {
    cut_ = response_.body.size() + bytes.size() > kMaxErrorBytes;
    bytes = bytes.first(std::min(bytes.size(), kMaxErrorBytes - response_.body.size()));
  } else if (body_bytes_ > request_.max_body_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the answer has over ", request_.max_body_bytes, " bytes"));
  }
  if (!Succeeded() || request_.sink == nullptr) {
    response_.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return absl::OkStatus();
  }
  const auto before = std::chrono::steady_clock::now();
  absl::Status status = request_.sink(bytes);
  sink_time_ += std::chrono::steady_clock::now() - before;
  return status;
}

size_t HttpClient::Transfer::OnHeader(char* data, size_t size, size_t count, void* self) {
  auto* const transfer = static_cast<Transfer*>(self);
  transfer->error_ = transfer->TakeHeader({data, size * count});
  return transfer->error_.ok() ? size * count : 0;
}

size_t HttpClient::Transfer::OnBody(char* data, size_t size, size_t count, void* self) {
  auto* const transfer = static_cast<Transfer*>(self);
  if (size * count == 0) return 0;
  transfer->error_ = transfer->TakeBody(std::as_bytes(std::span(data, size * count)));
  return transfer->error_.ok() && !transfer->cut_ ? size * count : 0;
}

void HttpClient::Transfer::SetBody() {
  CURL* const easy = connection_.easy();
  if (request_.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request_.method == "PUT" || request_.method == "POST") {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request_.body.size()));
    // Not copied. An empty body still wants a pointer.
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                     request_.body.empty() ? "" : static_cast<const void*>(request_.body.data()));
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  } else {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
}

void HttpClient::Transfer::SetOptions() {
  CURL* const easy = connection_.easy();
  const HttpOptions& options = client_.options_;
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // does not wait for a name that nobody resolves
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, details_);
  curl_easy_setopt(easy, CURLOPT_URL, request_.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);  // of a proxy
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 64L << 10);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout_ms));
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file.c_str());
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  }
  if (!options.proxy) curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
  // Empty: what curl would add by itself is left out. Waiting for a 100 costs a second with
  // servers that do not send one.
  headers_ = curl_slist_append(headers_, "Expect:");
  headers_ = curl_slist_append(headers_, "Accept:");
  headers_ = curl_slist_append(headers_, "User-Agent: fmserve");
  bool has_type = false;
  for (const auto& [name, value] : request_.headers) {
    has_type = has_type || absl::EqualsIgnoreCase(name, "content-type");
    headers_ = curl_slist_append(headers_, absl::StrCat(name, ": ", value).c_str());
  }
  if (!has_type) headers_ = curl_slist_append(headers_, "Content-Type:");
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  SetBody();
}

uint64_t HttpClient::Transfer::BytesMoved() const {
  curl_off_t sent = 0;
  curl_easy_getinfo(connection_.easy(), CURLINFO_SIZE_UPLOAD_T, &sent);
  return static_cast<uint64_t>(sent) + body_bytes_ + header_bytes_;
}

absl::Status HttpClient::Transfer::Drive(CURLcode& result) {
  CURLM* const multi = connection_.multi();
  const StallLimit limit = request_.stall.value_or(client_.options_.stall);
  StallWatch stall(limit, BusyTime());
  while (true) {
    int running = 0;
    if (curl_multi_perform(multi, &running) != CURLM_OK) {
      return absl::InternalError("libcurl does not go on");
    }
    if (running == 0) break;
    if (Stopped()) return absl::CancelledError("the call was cancelled");
    if (stall.Stalled(BytesMoved(), BusyTime())) {
      return absl::DeadlineExceededError(absl::StrCat(
          HostOf(request_.url), ": stalled: under ", limit.bytes_per_second, " bytes/s for ",
          limit.seconds, " s, after ", body_bytes_, " bytes of the answer"));
    }
    curl_multi_poll(multi, nullptr, 0, kPollMs, nullptr);
  }
  int left = 0;
  const CURLMsg* const message = curl_multi_info_read(multi, &left);
  if (message == nullptr) return absl::InternalError("libcurl tells no result");
  result = message->data.result;
  return absl::OkStatus();
}

absl::StatusOr<HttpResponse> HttpClient::Transfer::Run(bool& reusable) {
  SetOptions();
  CURL* const easy = connection_.easy();
  const absl::Cleanup clean_up = [&] {
    curl_multi_remove_handle(connection_.multi(), easy);
    curl_easy_reset(easy);
    curl_slist_free_all(headers_);
  };
  curl_multi_add_handle(connection_.multi(), easy);
  CURLcode result = CURLE_OK;
  if (absl::Status status = Drive(result); !status.ok()) return status;
  if (!error_.ok()) return error_;
  if (cut_) return std::move(response_);
  if (result != CURLE_OK) return CurlStatus(result, details_, HostOf(request_.url));
  if (!begun_) {
    if (absl::Status status = BeginBody(); !status.ok()) return status;
  }
  reusable = true;
  return std::move(response_);
}

}  // namespace fmserve::s3
