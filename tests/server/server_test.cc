#include "server/server.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/server/sample_model.h"
#include "tests/server/test_server.h"

namespace fmserve::server {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

class ServerTest : public testing::Test {
 protected:
  grpc::Status Predict(const v1::PredictRequest& request) {
    grpc::ClientContext context;
    response_.Clear();
    const grpc::Status status = server_.prediction().Predict(&context, request, &response_);
    trailing_request_id_.clear();
    const auto& trailing = context.GetServerTrailingMetadata();
    if (const auto id = trailing.find("request-id"); id != trailing.end()) {
      trailing_request_id_.assign(id->second.data(), id->second.size());
    }
    return status;
  }

  uint64_t ServedVersion() {
    const grpc::Status status = Predict(PackedRequest(1));
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response_.version();
  }

  TestServer server_;
  v1::PredictResponse response_;
  std::string trailing_request_id_;
};

TEST_F(ServerTest, PredictsWhatTheScorerDoesToTheBitInBothForms) {
  server_.Start();
  const uint64_t version = server_.PublishAndLoad("ctr", 1);
  const std::vector<float> expected = ExpectedPredictions(*SampleSnapshot(1), 100);
  for (const auto& request : {FriendlyRequest(100), PackedRequest(100)}) {
    const grpc::Status status = Predict(request);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response_.model(), "ctr");
    EXPECT_EQ(response_.version(), version);
    EXPECT_EQ(response_.scored_count(), 100U);
    EXPECT_THAT(response_.predictions(), ElementsAreArray(expected));
  }
}

TEST_F(ServerTest, MessagesThatAreUsedAgainKeepNothingOfTheRequestBefore) {
  server_.Start();
  server_.PublishAndLoad("ctr", 1);
  const std::vector<float> expected = ExpectedPredictions(*SampleSnapshot(1), 100);
  for (const int count : {100, 3, 0, 50}) {
    for (auto request : {FriendlyRequest(count), PackedRequest(count)}) {
      if (count == 3) request.set_request_id("three");
      ASSERT_TRUE(Predict(request).ok());
      EXPECT_EQ(response_.predictions_size(), count);
      EXPECT_EQ(response_.scored_count(), static_cast<uint32_t>(count));
      EXPECT_EQ(response_.request_id() == "three", count == 3);
      EXPECT_TRUE(std::equal(response_.predictions().begin(), response_.predictions().end(),
                             expected.begin()));
    }
    EXPECT_FALSE(Predict({}).ok());
  }
}

TEST_F(ServerTest, EachModelHasItsOwnVersionsAndTheDefaultIsTheFirst) {
  server_.Start();
  server_.PublishAndLoad("ctr", 1);
  server_.PublishAndLoad("cvr", 2);
  server_.PublishAndLoad("cvr", 3);
  v1::PredictRequest request = PackedRequest(20);
  ASSERT_TRUE(Predict(request).ok());
  EXPECT_EQ(response_.model(), "ctr");
  EXPECT_EQ(response_.version(), 1U);
  request.set_model("cvr");
  ASSERT_TRUE(Predict(request).ok());
  EXPECT_EQ(response_.version(), 2U);
  EXPECT_THAT(response_.predictions(),
              ElementsAreArray(ExpectedPredictions(*SampleSnapshot(3), 20)));
}

TEST_F(ServerTest, UnknownModelIsNotFoundAndTheAnswerNamesTheModels) {
  server_.EnableHttp();
  server_.Start();
  v1::PredictRequest request = PackedRequest(1);
  request.set_model("ctrr");
  const grpc::Status status = Predict(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "model: this server has no 'ctrr'; it has ctr, cvr");
  EXPECT_THAT(server_.HttpGet("/metrics"), HasSubstr("fmserve_unknown_model_requests_total 1\n"));
}

TEST_F(ServerTest, ModelWithoutWeightsIsUnavailable) {
  server_.Start();
  const grpc::Status status = Predict(PackedRequest(1));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("model 'ctr' has no weights yet"));
}

TEST_F(ServerTest, RequestIdIsTheClientsOrMadeUpAndComesBackWithErrorsToo) {
  server_.Start();
  server_.PublishAndLoad("ctr", 1);
  v1::PredictRequest request = PackedRequest(1);
  ASSERT_TRUE(Predict(request).ok());
  const std::string first = response_.request_id();
  ASSERT_TRUE(Predict(request).ok());
  EXPECT_FALSE(first.empty());
  EXPECT_NE(response_.request_id(), first);
  request.set_request_id("from-the-client");
  ASSERT_TRUE(Predict(request).ok());
  EXPECT_EQ(response_.request_id(), "from-the-client");
  request.clear_packed();
  EXPECT_EQ(Predict(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(trailing_request_id_, "from-the-client");
  request.set_request_id("line\nbreak");
  EXPECT_THAT(Predict(request).error_message(),
              HasSubstr("request_id: 10 bytes; at most 128 printable"));
}

TEST_F(ServerTest, LimitsAreThoseOfTheConfiguration) {
  server_.config().mutable_limits()->set_max_candidates(5);
  server_.config().mutable_limits()->set_max_message_kib(1);
  server_.Start();
  server_.PublishAndLoad("ctr", 1);
  EXPECT_TRUE(Predict(PackedRequest(5)).ok());
  const grpc::Status status = Predict(PackedRequest(6));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(),
            "packed.candidate_lengths: 6 candidates, at most 5 are allowed");
  EXPECT_EQ(Predict(PackedRequest(50)).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(ServerTest, SchemaTellsAClientWhatThePackedFormNeeds) {
  server_.Start();
  server_.PublishAndLoad("ctr", 1);
  grpc::ClientContext context;
  v1::GetSchemaResponse schema;
  ASSERT_TRUE(server_.prediction().GetSchema(&context, {}, &schema).ok());
  EXPECT_EQ(schema.model(), "ctr");
  EXPECT_EQ(schema.version(), 1U);
  ASSERT_EQ(schema.fields_size(), 7);
  EXPECT_EQ(schema.fields(kHour).name(), "hour");
  EXPECT_EQ(schema.fields(kHour).value_type(), v1::VALUE_TYPE_INTEGER);
  EXPECT_EQ(schema.fields(kHour).side(), v1::FIELD_SIDE_CONTEXT);
  EXPECT_EQ(schema.fields(kTags).kind(), v1::FIELD_KIND_MULTI_VALUED);
  EXPECT_TRUE(schema.fields(kTags).weighted());
  EXPECT_EQ(schema.fields(kImage).dimension(), 3U);
}

TEST_F(ServerTest, ReadyWhenEveryModelServesAndUntilItDrains) {
  server_.EnableHttp();
  server_.Start();
  EXPECT_THAT(server_.HttpGet("/livez"), HasSubstr("200 OK"));
  EXPECT_THAT(server_.HttpGet("/readyz"),
              AllOf(HasSubstr("503 "), HasSubstr("no weights yet: ctr, cvr")));
  server_.PublishAndLoad("ctr", 1);
  EXPECT_THAT(server_.HttpGet("/readyz"),
              AllOf(HasSubstr("503 "), HasSubstr("no weights yet: cvr")));
  server_.PublishAndLoad("cvr", 1);
  EXPECT_THAT(server_.HttpGet("/readyz"), HasSubstr("200 OK"));
  server_.server().Drain();
  EXPECT_THAT(server_.HttpGet("/readyz"), AllOf(HasSubstr("503 "), HasSubstr("draining")));
  EXPECT_THAT(server_.HttpGet("/livez"), HasSubstr("200 OK"));
  EXPECT_EQ(Predict(PackedRequest(1)).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerTest, MetricsPageCountsWhatHappened) {
  server_.EnableHttp();
  server_.Start();
  server_.PublishAndLoad("ctr", 1);
  ASSERT_TRUE(Predict(PackedRequest(103)).ok());
  EXPECT_FALSE(Predict({}).ok());
  server_.PublishAndLoad("ctr", 2);
  const std::string page = server_.HttpGet("/metrics");
  EXPECT_THAT(
      page,
      HasSubstr(
          "fmserve_requests_total{model=\"ctr\",call=\"predict\",code=\"OK\",version=\"1\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_requests_total{model=\"ctr\",call=\"predict\",code="
                              "\"INVALID_ARGUMENT\",version=\"1\"} 1\n"));
  EXPECT_THAT(
      page,
      HasSubstr("fmserve_request_duration_seconds_count{model=\"ctr\",call=\"predict\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_candidates_total{model=\"ctr\"} 103\n"));
  EXPECT_THAT(
      page,
      HasSubstr("fmserve_unknown_features_total{model=\"ctr\",call=\"predict\",field=\"ad\"} 3\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_serving_version{model=\"ctr\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_swaps_total{model=\"ctr\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_load_state{model=\"ctr\",state=\"idle\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_draining 0\n"));
  EXPECT_THAT(server_.HttpGet("/secret"),
              AllOf(HasSubstr("404 "), HasSubstr("/livez /metrics /readyz")));
}

TEST_F(ServerTest, ServesItsLastGoodVersionWhenTheStoreIsGone) {
  server_.Start();
  server_.PublishAndLoad("ctr", 1);
  server_.Stop();
  server_.config().mutable_models(0)->set_store(server_.folder() + "/gone");
  server_.Start();
  EXPECT_EQ(ServedVersion(), 1U);
}

TEST_F(ServerTest, CacheIsUsedByOneServer) {
  server_.Start();
  v1::ServerConfig second = server_.config();
  second.set_listen(0, second.listen(0) + "2");
  const auto refused = Server::Start(second);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(refused.status().message(),
              AllOf(HasSubstr("model 'ctr': "), HasSubstr("locked by another process")));
}

TEST_F(ServerTest, AddressThatIsInUseIsAnError) {
  server_.EnableHttp();
  server_.config().set_listen(0, "127.0.0.1:0");
  server_.Start();
  v1::ServerConfig second = server_.config();
  second.set_cache_dir(server_.folder() + "/other_cache");
  second.set_listen(0, absl::StrCat("127.0.0.1:", server_.server().grpc_ports()[0]));
  EXPECT_THAT(Server::Start(second).status().message(), HasSubstr("is the address in use?"));
  second.set_listen(0, "127.0.0.1:0");
  second.set_http_listen(absl::StrCat("127.0.0.1:", server_.server().http_port()));
  EXPECT_THAT(Server::Start(second).status().message(),
              HasSubstr("cannot listen on http_listen 127.0.0.1:"));
}

}  // namespace
}  // namespace fmserve::server
