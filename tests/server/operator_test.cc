// The operator service of a running server.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "loader/manifest.h"
#include "tests/server/sample_model.h"
#include "tests/server/test_server.h"

namespace fmserve::server {
namespace {

using ::testing::HasSubstr;

class OperatorTest : public testing::Test {
 protected:
  // The model's state after an operator's call.
  template <typename Response, typename Request, typename Call>
  grpc::Status Operate(Call call, const Request& request) {
    grpc::ClientContext context;
    Response response;
    const grpc::Status status = (server_.operators().*call)(&context, request, &response);
    model_ = response.model();
    return status;
  }
  grpc::Status Reload() {
    v1::ReloadRequest request;
    request.set_model("ctr");
    return Operate<v1::ReloadResponse>(&v1::OperatorService::StubInterface::Reload, request);
  }
  grpc::Status Rollback() {
    v1::RollbackRequest request;
    request.set_model("ctr");
    return Operate<v1::RollbackResponse>(&v1::OperatorService::StubInterface::Rollback, request);
  }
  grpc::Status Pin(uint64_t version) {
    v1::PinRequest request;
    request.set_model("ctr");
    request.set_version(version);
    return Operate<v1::PinResponse>(&v1::OperatorService::StubInterface::Pin, request);
  }
  grpc::Status Unpin() {
    v1::UnpinRequest request;
    request.set_model("ctr");
    return Operate<v1::UnpinResponse>(&v1::OperatorService::StubInterface::Unpin, request);
  }

  // Two wrong bytes in a file below the server's folder.
  void Damage(const std::string& name) {
    std::fstream file(server_.folder() + name, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(1000);
    file.put('\x5a');
    file.put('\xa5');
    ASSERT_TRUE(file.good()) << name;
  }

  uint64_t ServedVersion() {
    grpc::ClientContext context;
    v1::PredictResponse response;
    const grpc::Status status = server_.prediction().Predict(&context, PackedRequest(1), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.version();
  }

  TestServer server_;
  v1::Model model_;
};

TEST_F(OperatorTest, RollsBackPinsAndUnpins) {
  server_.Start();
  server_.PublishAndLoad("ctr", 1);
  server_.PublishAndLoad("ctr", 2);
  ASSERT_TRUE(Rollback().ok());
  EXPECT_EQ(model_.serving_version(), 1U);
  EXPECT_EQ(ServedVersion(), 1U);
  ASSERT_TRUE(Pin(2).ok());
  EXPECT_EQ(model_.pinned_version(), 2U);
  EXPECT_EQ(ServedVersion(), 2U);
  server_.Publish("ctr", 3);
  ASSERT_TRUE(Unpin().ok());
  EXPECT_EQ(model_.pinned_version(), 0U);
}

TEST_F(OperatorTest, SeesTheHistoryOfAModel) {
  server_.Start();
  server_.PublishAndLoad("ctr", 1);
  server_.PublishAndLoad("ctr", 2);
  ASSERT_TRUE(Rollback().ok());
  const auto list = [this](const std::string& model, uint32_t limit,
                           v1::ListHistoryResponse* response) {
    grpc::ClientContext context;
    v1::ListHistoryRequest request;
    request.set_model(model);
    request.set_limit(limit);
    return server_.operators().ListHistory(&context, request, response);
  };
  v1::ListHistoryResponse history;
  ASSERT_TRUE(list("ctr", 0, &history).ok());
  ASSERT_EQ(history.versions_size(), 2);
  EXPECT_EQ(history.versions(0).version(), 2U);
  const v1::HistoryEvent& last = *history.versions(1).events().rbegin();
  EXPECT_EQ(last.step(), v1::HISTORY_STEP_SERVED);
  EXPECT_THAT(last.who(), ::testing::StartsWith("operator "));
  EXPECT_EQ(last.why(), "rolled back: instead of version 2");
  EXPECT_THAT(list("ctr", 1001, &history).error_message(), HasSubstr("at most 1000"));
  EXPECT_EQ(list("ctx", 1, &history).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(OperatorTest, SeesModelsAndVersions) {
  server_.Start();
  server_.PublishAndLoad("ctr", 1);
  server_.PublishAndLoad("ctr", 2);
  grpc::ClientContext models_context;
  v1::ListModelsResponse models;
  ASSERT_TRUE(server_.operators().ListModels(&models_context, {}, &models).ok());
  ASSERT_EQ(models.models_size(), 2);
  EXPECT_EQ(models.models(0).name(), "ctr");
  EXPECT_TRUE(models.models(0).is_default());
  EXPECT_EQ(models.models(0).serving_version(), 2U);
  EXPECT_EQ(models.models(0).previous_version(), 1U);
  EXPECT_GT(models.models(0).snapshot_bytes(), 0U);
  EXPECT_GT(models.models(0).serving_since().seconds(), 0);
  EXPECT_EQ(models.models(1).serving_version(), 0U);
  grpc::ClientContext versions_context;
  v1::ListVersionsResponse versions;
  ASSERT_TRUE(server_.operators().ListVersions(&versions_context, {}, &versions).ok());
  ASSERT_EQ(versions.versions_size(), 2);
  EXPECT_EQ(versions.versions(0).state(), v1::VERSION_STATE_SERVING);
  EXPECT_EQ(versions.versions(0).sha256().size(), 64U);
  EXPECT_EQ(versions.versions(1).state(), v1::VERSION_STATE_PREVIOUS);
}

TEST_F(OperatorTest, LeversSayWhyTheyCannotBePulled) {
  server_.Start();
  EXPECT_EQ(Rollback().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  v1::ReloadRequest request;
  request.set_model("nothing");
  const grpc::Status status =
      Operate<v1::ReloadResponse>(&v1::OperatorService::StubInterface::Reload, request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("it has ctr, cvr"));
}

TEST_F(OperatorTest, BrokenVersionIsRejectedAndWhatServedKeepsServing) {
  server_.EnableHttp();
  server_.Start();
  server_.PublishAndLoad("ctr", 1);
  const uint64_t broken = server_.Publish("ctr", 2);
  Damage("/store/ctr/" + loader::WeightFileName(broken));
  EXPECT_FALSE(Reload().ok());
  EXPECT_EQ(ServedVersion(), 1U);
  server_.WaitForPage("/metrics",
                      "fmserve_rejected_versions_total{model=\"ctr\",artifact=\"weights\",reason="
                      "\"checksum\"} 1\n");
}

TEST_F(OperatorTest, SeesTheCatalogueBesideTheWeights) {
  server_.Start();
  server_.PublishAndLoad("ctr", 1);
  server_.PublishAndLoadCatalogue("ctr", 20);
  server_.PublishAndLoadCatalogue("ctr", 30);
  ASSERT_TRUE(Reload().ok());
  EXPECT_EQ(model_.serving_version(), 1U);
  EXPECT_EQ(model_.catalogue_version(), 2U);
  EXPECT_EQ(model_.previous_catalogue_version(), 1U);
  EXPECT_EQ(model_.catalogue_items_count(), 30U);
  EXPECT_GT(model_.catalogue_bytes(), 0U);
  EXPECT_LT(model_.catalogue_bytes(), model_.snapshot_bytes());
  EXPECT_GT(model_.catalogue_published().seconds(), 0);
  EXPECT_EQ(model_.catalogue_error(), "");
  grpc::ClientContext context;
  v1::ListVersionsResponse versions;
  ASSERT_TRUE(server_.operators().ListVersions(&context, {}, &versions).ok());
  ASSERT_EQ(versions.versions_size(), 1);
  ASSERT_EQ(versions.catalogue_versions_size(), 2);
  EXPECT_EQ(versions.catalogue_versions(0).version(), 2U);
  EXPECT_EQ(versions.catalogue_versions(0).state(), v1::VERSION_STATE_SERVING);
  EXPECT_EQ(versions.catalogue_versions(1).state(), v1::VERSION_STATE_PREVIOUS);
  ASSERT_TRUE(Rollback().ok());
  EXPECT_EQ(model_.catalogue_version(), 1U);
  EXPECT_EQ(model_.serving_version(), 1U);
}

TEST_F(OperatorTest, BrokenCatalogueIsRejectedAndCountedAsOne) {
  server_.EnableHttp();
  server_.Start();
  server_.PublishAndLoad("ctr", 1);
  server_.PublishAndLoadCatalogue("ctr", 20);
  Damage("/store/ctr/catalogue/" +
         loader::FileName(loader::Artifact::kCatalogue, server_.PublishCatalogue("ctr", 30)));
  const grpc::Status status = Reload();
  EXPECT_THAT(status.error_message(), HasSubstr("catalogue version 2 was rejected: checksum: "));
  server_.WaitForPage("/metrics",
                      "fmserve_rejected_versions_total{model=\"ctr\",artifact=\"catalogue\",reason="
                      "\"checksum\"} 1\n");
  const std::string page = server_.HttpGet("/metrics");
  EXPECT_THAT(page, HasSubstr("fmserve_serving_catalogue_version{model=\"ctr\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_catalogue_items{model=\"ctr\"} 20\n"));
}

}  // namespace
}  // namespace fmserve::server
