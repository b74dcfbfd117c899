#include "server/http_server.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "civetweb.h"

namespace fmserve::server {
namespace {

constexpr absl::string_view ReasonPhrase(int code) {
  switch (code) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Service Unavailable";
  }
}

void Send(mg_connection* connection, const HttpResponse& response, bool with_body) {
  const std::string head = absl::StrCat(
      "HTTP/1.1 ", response.code, " ", ReasonPhrase(response.code),
      "\r\nContent-Type: ", response.content_type, "\r\nContent-Length: ", response.body.size(),
      "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n");
  mg_write(connection, head.data(), head.size());
  if (with_body) mg_write(connection, response.body.data(), response.body.size());
}

// Of every path: civetweb's own answers show folders and its version.
int Handle(mg_connection* connection, void* handlers_pointer) {
  const auto& handlers = *static_cast<const std::map<std::string, HttpHandler>*>(handlers_pointer);
  const mg_request_info* request = mg_get_request_info(connection);
  const absl::string_view method = request->request_method;
  const auto found = handlers.find(request->local_uri);
  HttpResponse response;
  if (found == handlers.end()) {
    response.code = 404;
    response.body = "there is:";
    for (const auto& [path, handler] : handlers) absl::StrAppend(&response.body, " ", path);
    response.body += "\n";
  } else if (method != "GET" && method != "HEAD") {
    response.code = 405;
    response.body = "GET and HEAD only\n";
  } else {
    response = found->second();
  }
  Send(connection, response, method != "HEAD");
  return response.code;
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(
    const std::string& address, std::map<std::string, HttpHandler> handlers) {
  std::unique_ptr<HttpServer> server(new HttpServer(std::move(handlers)));
  // So many threads, so that slow scrapes and silent connections do not hold up a probe.
  const std::array<const char*, 7> options = {
      "listening_ports",    address.c_str(), "num_threads", "8",
      "request_timeout_ms", "2000",          nullptr};
  const mg_callbacks callbacks = {};
  mg_init_data init = {&callbacks, nullptr, const_cast<const char**>(options.data())};
  std::array<char, 256> text = {};
  mg_error_data error = {};
  error.text = text.data();
  error.text_buffer_size = text.size();
  server->context_ = mg_start2(&init, &error);
  if (server->context_ == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on http_listen ", address, ": ", text.data()));
  }
  mg_set_request_handler(server->context_, "/", Handle,
                         const_cast<std::map<std::string, HttpHandler>*>(&server->handlers_));
  return server;
}

HttpServer::~HttpServer() {
  if (context_ != nullptr) mg_stop(context_);
}

int HttpServer::port() const {
  mg_server_port port = {};
  return mg_get_server_ports(context_, 1, &port) == 1 ? port.port : 0;
}

}  // namespace fmserve::server
