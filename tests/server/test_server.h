// A server in the test's own process, with a store to publish to and a client.
#ifndef FMSERVE_TESTS_SERVER_TEST_SERVER_H_
#define FMSERVE_TESTS_SERVER_TEST_SERVER_H_

#include <grpcpp/channel.h>

#include <cstdint>
#include <memory>
#include <string>

#include "fmserve/v1/config.pb.h"
#include "fmserve/v1/operator.grpc.pb.h"
#include "fmserve/v1/prediction.grpc.pb.h"
#include "server/server.h"

namespace fmserve::server {

class TestServer {
 public:
  // Serves "ctr" (the default) and "cvr" on a Unix socket, with a budget of a minute; nothing is
  // published yet.
  TestServer();

  // May be changed before Start().
  v1::ServerConfig& config() { return config_; }
  // HTTP is off unless asked for: civetweb takes up to 2 s to stop.
  void EnableHttp() { config_.set_http_listen("127.0.0.1:0"); }
  void Start();

  // Writes the sample model of `seed`, its scores higher by `shift`, and publishes it, without
  // telling the server; returns its version.
  uint64_t Publish(const std::string& model, uint32_t seed, double shift = 0.0);
  // The same of the sample catalogue of so many items.
  uint64_t PublishCatalogue(const std::string& model, int items_count);
  // Publish, then Reload over the network.
  uint64_t PublishAndLoad(const std::string& model, uint32_t seed);
  uint64_t PublishAndLoadCatalogue(const std::string& model, int items_count);

  Server& server() { return *server_; }
  void Stop() { server_.reset(); }
  v1::PredictionService::StubInterface& prediction() { return *prediction_; }
  v1::OperatorService::StubInterface& operators() { return *operators_; }
  std::shared_ptr<grpc::Channel> NewChannel() const;

  // The answer to GET `path`: status line, header and body.
  std::string HttpGet(const std::string& path) const;

  // Until the answer to GET `path` contains `text`; fails the test after half a minute.
  void WaitForPage(const std::string& path, const std::string& text) const;

  const std::string& folder() const { return folder_; }

 private:
  v1::Model Reload(const std::string& model);

  std::string folder_;
  v1::ServerConfig config_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::PredictionService::StubInterface> prediction_;
  std::unique_ptr<v1::OperatorService::StubInterface> operators_;
};

}  // namespace fmserve::server

#endif  // FMSERVE_TESTS_SERVER_TEST_SERVER_H_
