// A model whose catalogue is kept in int8, from the configuration to the answer.
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "tests/server/sample_model.h"
#include "tests/server/test_server.h"

namespace fmserve::server {
namespace {

constexpr int kItems = 100;

v1::PredictResponse PredictItems(TestServer& server, const char* model) {
  grpc::ClientContext context;
  v1::PredictRequest request = FriendlyRequest(0);
  request.set_model(model);
  for (uint64_t id = 0; id < kItems; ++id) request.mutable_items()->add_integers(id);
  v1::PredictResponse response;
  const grpc::Status status = server.prediction().Predict(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

uint64_t CatalogueBytes(TestServer& server, const char* model) {
  grpc::ClientContext context;
  v1::ReloadRequest request;
  request.set_model(model);
  v1::ReloadResponse response;
  EXPECT_TRUE(server.operators().Reload(&context, request, &response).ok());
  return response.model().catalogue_bytes();
}

TEST(ItemVectorsTest, AModelInInt8PredictsWithinTheBoundOfF32AndTakesLessMemory) {
  TestServer server;
  server.config().mutable_models(1)->mutable_catalogue()->set_item_vectors(
      v1::CatalogueConfig::INT8);
  server.Start();
  for (const char* model : {"ctr", "cvr"}) {
    server.PublishAndLoad(model, 1);
    server.PublishAndLoadCatalogue(model, kItems);
  }
  const v1::PredictResponse in_f32 = PredictItems(server, "ctr");
  const v1::PredictResponse in_int8 = PredictItems(server, "cvr");
  ASSERT_EQ(in_int8.predictions_size(), kItems);
  int different = 0;
  for (int i = 0; i < kItems; ++i) {
    // With its eight factors below 1.5, in items and context; a sigmoid rises by a quarter at most.
    EXPECT_NEAR(in_int8.predictions(i), in_f32.predictions(i), 1.5 / 127 * (8 * 1.5 / 2) / 4);
    if (in_int8.predictions(i) != in_f32.predictions(i)) ++different;
  }
  EXPECT_GT(different, kItems / 2) << "it was not int8";
  EXPECT_LT(CatalogueBytes(server, "cvr"), CatalogueBytes(server, "ctr"));
}

}  // namespace
}  // namespace fmserve::server
