#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/server/test_server.h"

namespace fmserve::server {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

HealthCheckRequest About(const std::string& service) {
  HealthCheckRequest request;
  request.set_service(service);
  return request;
}

class HealthTest : public testing::Test {
 protected:
  HealthTest() { server_.Start(); }

  HealthCheckResponse::ServingStatus Check(const std::string& service) {
    grpc::ClientContext context;
    HealthCheckResponse response;
    const grpc::Status status =
        Health::NewStub(server_.NewChannel())->Check(&context, About(service), &response);
    if (status.error_code() == grpc::StatusCode::NOT_FOUND)
      return HealthCheckResponse::SERVICE_UNKNOWN;
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.status();
  }

  TestServer server_;
};

TEST_F(HealthTest, ModelsServeOneByOneAndTheServerWhenAllDo) {
  EXPECT_EQ(Check("ctr"), HealthCheckResponse::NOT_SERVING);
  server_.PublishAndLoad("ctr", 1);
  EXPECT_EQ(Check("ctr"), HealthCheckResponse::SERVING);
  EXPECT_EQ(Check("cvr"), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Check(""), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Check("fmserve.v1.PredictionService"), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Check("fmserve.v1.OperatorService"), HealthCheckResponse::SERVING);
  server_.PublishAndLoad("cvr", 1);
  EXPECT_EQ(Check(""), HealthCheckResponse::SERVING);
  EXPECT_EQ(Check("fmserve.v1.PredictionService"), HealthCheckResponse::SERVING);
  EXPECT_EQ(Check("nothing"), HealthCheckResponse::SERVICE_UNKNOWN);
}

TEST_F(HealthTest, WatchersAreToldOfEachChangeAndDoNotHoldUpTheEnd) {
  const auto stub = Health::NewStub(server_.NewChannel());
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<HealthCheckResponse>>> streams;
  HealthCheckResponse response;
  for (const char* service : {"ctr", "ctr", "nothing"}) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    streams.push_back(stub->Watch(contexts.back().get(), About(service)));
    ASSERT_TRUE(streams.back()->Read(&response));
  }
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVICE_UNKNOWN);
  server_.PublishAndLoad("ctr", 1);
  contexts[1]->TryCancel();
  ASSERT_TRUE(streams[0]->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  const auto start = std::chrono::steady_clock::now();
  server_.server().Drain();
  EXPECT_LT(std::chrono::steady_clock::now() - start,
            std::chrono::seconds(5));  // of the 10 for calls in flight
  ASSERT_TRUE(streams[0]->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(streams[0]->Read(&response));
  EXPECT_EQ(streams[0]->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_FALSE(streams[1]->Read(&response));
  EXPECT_EQ(streams[1]->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(streams[2]->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace fmserve::server
