// An HTTP server on loopback that answers as a test says, also wrongly, slowly or by half.
#ifndef FMSERVE_TESTS_S3_SCRIPTED_SERVER_H_
#define FMSERVE_TESTS_S3_SCRIPTED_SERVER_H_

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace fmserve::s3 {

struct ServedRequest {
  std::string method{};
  std::string target{};                          // path and query as they came
  std::map<std::string, std::string> headers{};  // names in lower case
  std::string body{};
};

class ScriptedServer {
 public:
  // What a handler writes to.
  class Reply {
   public:
    explicit Reply(int socket) : socket_(socket) {}
    void Send(const std::string& bytes);
    // Closes the connection when the handler returns.
    void Close() { close_ = true; }
    bool close() const { return close_; }
    // Returns when the client hangs up or the server ends.
    void WaitForHangUp();

   private:
    const int socket_;
    bool close_ = false;
  };
  using Handler = std::function<void(const ServedRequest&, Reply&)>;

  // `handler` is called by one thread per connection.
  explicit ScriptedServer(Handler handler);
  // Sends back what `answer` returns.
  explicit ScriptedServer(std::function<std::string(const ServedRequest&)> answer);
  ~ScriptedServer();

  std::string Url() const { return "http://" + Host(); }
  std::string Host() const { return "127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }
  std::vector<ServedRequest> requests() const;

 private:
  void Accept();
  void Serve(int socket);

  const Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_ = 0;
  std::atomic<bool> ending_ = false;
  mutable std::mutex mutex_;
  std::vector<ServedRequest> requests_;  // guarded by mutex_
  std::vector<int> sockets_;             // guarded by mutex_
  std::vector<std::thread> threads_;     // of the accepting thread, then of the destructor
  std::thread accepting_;
};

// "HTTP/1.1 200 OK" with Content-Length, the other header lines ("ETag: \"x\"\r\n") and the body.
std::string Answer(int status, const std::string& header_lines = "", const std::string& body = "");

// The XML of an S3 error.
std::string ErrorXml(const std::string& code, const std::string& more = "");

}  // namespace fmserve::s3

#endif  // FMSERVE_TESTS_S3_SCRIPTED_SERVER_H_
