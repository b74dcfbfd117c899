#include "tests/s3/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace fmserve::s3 {
namespace {

// Reads until `buffer` holds `size` bytes; false when the client is gone.
bool Fill(int socket, std::string& buffer, size_t size) {
  char piece[16 << 10];
  while (buffer.size() < size) {
    const ssize_t count = recv(socket, piece, sizeof(piece), 0);
    if (count <= 0) return false;
    buffer.append(piece, static_cast<size_t>(count));
  }
  return true;
}

// The next request of a connection; `buffer` keeps what comes behind it.
std::optional<ServedRequest> ReadRequest(int socket, std::string& buffer) {
  size_t end = 0;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (!Fill(socket, buffer, buffer.size() + 1)) return std::nullopt;
  }
  const std::string head = buffer.substr(0, end);
  buffer.erase(0, end + 4);
  const std::vector<std::string> lines = absl::StrSplit(head, "\r\n");
  const std::vector<std::string> first = absl::StrSplit(lines[0], ' ');
  ServedRequest request{.method = first.at(0), .target = first.at(1)};
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::pair<std::string, std::string> field =
        absl::StrSplit(lines[i], absl::MaxSplits(':', 1));
    request.headers[absl::AsciiStrToLower(field.first)] =
        std::string(absl::StripAsciiWhitespace(field.second));
  }
  size_t length = 0;
  if (absl::SimpleAtoi(request.headers["content-length"], &length)) {
    if (!Fill(socket, buffer, length)) return std::nullopt;
    request.body = buffer.substr(0, length);
    buffer.erase(0, length);
  }
  return request;
}

}  // namespace

void ScriptedServer::Reply::Send(const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count = send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) {
      close_ = true;
      return;
    }
    sent += static_cast<size_t>(count);
  }
}

void ScriptedServer::Reply::WaitForHangUp() {
  std::string ignored;
  while (Fill(socket_, ignored, ignored.size() + 1)) {
  }
  close_ = true;
}

ScriptedServer::ScriptedServer(std::function<std::string(const ServedRequest&)> answer)
    : ScriptedServer(
          Handler([answer = std::move(answer)](const ServedRequest& request, Reply& reply) {
            reply.Send(answer(request));
          })) {}

ScriptedServer::ScriptedServer(Handler handler) : handler_(std::move(handler)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_, raw, size) != 0 || listen(listener_, 64) != 0 ||
      getsockname(listener_, raw, &size) != 0) {
    abort();
  }
  port_ = ntohs(address.sin_port);
  accepting_ = std::thread([this] { Accept(); });
}

ScriptedServer::~ScriptedServer() {
  ending_ = true;
  shutdown(listener_, SHUT_RDWR);
  accepting_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int socket : sockets_) shutdown(socket, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
  for (const int socket : sockets_) close(socket);
  close(listener_);
}

std::vector<ServedRequest> ScriptedServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void ScriptedServer::Accept() {
  while (!ending_) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    const std::lock_guard lock(mutex_);
    sockets_.push_back(socket);
    ++connections_;
    threads_.emplace_back([this, socket] { Serve(socket); });
  }
}

void ScriptedServer::Serve(int socket) {
  std::string buffer;
  while (!ending_) {
    const std::optional<ServedRequest> request = ReadRequest(socket, buffer);
    if (!request) break;
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(*request);
    }
    Reply reply(socket);
    handler_(*request, reply);
    if (reply.close()) break;
  }
  shutdown(socket, SHUT_RDWR);
}

std::string Answer(int status, const std::string& header_lines, const std::string& body) {
  return absl::StrCat("HTTP/1.1 ", status, " Scripted\r\n", header_lines,
                      status == 304 ? "" : absl::StrCat("Content-Length: ", body.size(), "\r\n"),
                      "\r\n", body);
}

std::string ErrorXml(const std::string& code, const std::string& more) {
  return absl::StrCat(R"(<?xml version="1.0" encoding="UTF-8"?>)", "<Error><Code>", code,
                      "</Code><Message>words of the server</Message>", more, "</Error>");
}

}  // namespace fmserve::s3
