#include "tests/server/test_server.h"

#include <arpa/inet.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "loader/publisher.h"
#include "model/kernels/kernels.h"
#include "server/config.h"
#include "tests/server/sample_model.h"

namespace fmserve::server {

TestServer::TestServer() : folder_(NewFolder()) {
  const auto config = ParseConfig(absl::StrCat("cache_dir: ", folder_, "/cache\n",         //
                                               "listen: ['unix:", folder_, "/socket']\n",  //
                                               "http_listen: ''\n",                        //
                                               "models:\n",                                //
                                               "  - {name: ctr, store: ", folder_, "/store}\n",
                                               "  - {name: cvr, store: ", folder_, "/store}\n"),
                                  "test");
  EXPECT_TRUE(config.ok()) << config.status();
  config_ = *config;
  for (v1::ModelConfig& model : *config_.mutable_models()) {
    model.set_budget_ms(60000);  // sanitizers are slow
    model.mutable_gates()->set_allow_no_goldens(true);
    model.mutable_shadow_gate()->set_enabled(false);  // weights at random predict nothing alike
    model.mutable_watch()->set_enabled(false);
  }
}

void TestServer::Start() {
  auto server = Server::Start(config_);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  prediction_ = v1::PredictionService::NewStub(NewChannel());
  operators_ = v1::OperatorService::NewStub(NewChannel());
}

std::shared_ptr<grpc::Channel> TestServer::NewChannel() const {
  grpc::ChannelArguments own_connection;
  own_connection.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(config_.listen(0), grpc::InsecureChannelCredentials(),
                                   own_connection);
}

uint64_t TestServer::Publish(const std::string& model, uint32_t seed, double shift) {
  const std::string path = folder_ + "/trained.fmw";
  WriteSampleFile(path, seed, shift);
  loader::PublishOptions options;
  options.store = folder_ + "/store";
  options.model = model;
  options.allow_no_goldens = true;
  const auto manifest = loader::Publish(path, options, **model::DefaultKernels());
  EXPECT_TRUE(manifest.ok()) << manifest.status();
  return manifest.ok() ? manifest->version : 0;
}

v1::Model TestServer::Reload(const std::string& model) {
  grpc::ClientContext context;
  v1::ReloadRequest request;
  request.set_model(model);
  v1::ReloadResponse response;
  const grpc::Status status = operators_->Reload(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.model();
}

uint64_t TestServer::PublishAndLoad(const std::string& model, uint32_t seed) {
  const uint64_t version = Publish(model, seed);
  EXPECT_EQ(Reload(model).serving_version(), version);
  return version;
}

uint64_t TestServer::PublishAndLoadCatalogue(const std::string& model, int items_count) {
  const uint64_t version = PublishCatalogue(model, items_count);
  EXPECT_EQ(Reload(model).catalogue_version(), version);
  return version;
}

uint64_t TestServer::PublishCatalogue(const std::string& model, int items_count) {
  const std::string path = folder_ + "/made.fmc";
  WriteSampleCatalogue(path, items_count);
  loader::PublishOptions options;
  options.store = folder_ + "/store";
  options.model = model;
  const auto manifest = loader::PublishCatalogue(path, options);
  EXPECT_TRUE(manifest.ok()) << manifest.status();
  return manifest.ok() ? manifest->version : 0;
}

std::string TestServer::HttpGet(const std::string& path) const {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(server_->http_port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const std::string request = absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string answer;
  std::array<char, 4096> buffer;
  for (ssize_t got = 0; (got = read(fd, buffer.data(), buffer.size())) > 0;) {
    answer.append(buffer.data(), static_cast<size_t>(got));
  }
  close(fd);
  return answer;
}

void TestServer::WaitForPage(const std::string& path, const std::string& text) const {
  std::string answer;
  for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
       std::chrono::steady_clock::now() < end;) {
    answer = HttpGet(path);
    if (absl::StrContains(answer, text)) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ADD_FAILURE() << "no " << text << " in " << answer;
}

}  // namespace fmserve::server
