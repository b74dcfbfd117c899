// A small HTTP server: fixed paths, GET, plain text.
#ifndef FMSERVE_SERVER_HTTP_SERVER_H_
#define FMSERVE_SERVER_HTTP_SERVER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

struct mg_context;

namespace fmserve::server {

struct HttpResponse {
  int code = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Called in threads of the HTTP server.
using HttpHandler = std::function<HttpResponse()>;

class HttpServer {
 public:
  // `address` is HOST:PORT, port 0 for any that is free; `handlers` are by path. Unavailable when
  // it cannot listen.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(
      const std::string& address, std::map<std::string, HttpHandler> handlers);
  ~HttpServer();  // waits for running handlers
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const;

 private:
  explicit HttpServer(std::map<std::string, HttpHandler> handlers)
      : handlers_(std::move(handlers)) {}

  const std::map<std::string, HttpHandler> handlers_;
  mg_context* context_ = nullptr;
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_HTTP_SERVER_H_
