// Canaries and manual rollouts of a running server, seen by its clients and its operators.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/sample_model.h"
#include "tests/server/test_server.h"

namespace fmserve::server {
namespace {

using ::testing::HasSubstr;

constexpr double kPercent = 20.0;
constexpr int kClients = 4;
constexpr int kRequestsPerClient = 500;
constexpr int kRequests = kClients * kRequestsPerClient;
constexpr int kCandidates = 10;

class CanaryTest : public testing::Test {
 protected:
  using Stub = v1::OperatorService::StubInterface;

  CanaryTest() {
    v1::RolloutConfig* const rollout = server_.config().mutable_models(0)->mutable_rollout();
    rollout->set_mode(v1::RolloutConfig::CANARY);
    rollout->set_canary_percent(kPercent);
    rollout->set_canary_s(3600);
  }

  // Version 1 serves, version 2 is the canary.
  void StartWithCanary() {
    server_.Start();
    ASSERT_EQ(server_.PublishAndLoad("ctr", 1), 1U);
    PublishCanary(2);
  }
  // The sample weights of the seed that is its version.
  void PublishCanary(uint32_t version) {
    ASSERT_EQ(server_.Publish("ctr", version), version);
    ASSERT_TRUE(Reload().ok());
    ASSERT_EQ(model_.canary_version(), version);
  }

  template <typename Response, typename Request, typename Call>
  grpc::Status Operate(Call call, Request request) {
    grpc::ClientContext context;
    Response response;
    const grpc::Status status = (server_.operators().*call)(&context, request, &response);
    model_ = response.model();
    return status;
  }
  grpc::Status Reload() { return Operate<v1::ReloadResponse>(&Stub::Reload, v1::ReloadRequest()); }
  grpc::Status Approve(uint64_t version) {
    v1::ApproveRequest request;
    request.set_version(version);
    return Operate<v1::ApproveResponse>(&Stub::Approve, request);
  }
  grpc::Status Reject(uint64_t version) {
    v1::RejectRequest request;
    request.set_version(version);
    request.set_reason("odd");
    return Operate<v1::RejectResponse>(&Stub::Reject, request);
  }
  grpc::Status Rollback() {
    return Operate<v1::RollbackResponse>(&Stub::Rollback, v1::RollbackRequest());
  }
  grpc::Status Pin(uint64_t version) {
    v1::PinRequest request;
    request.set_version(version);
    return Operate<v1::PinResponse>(&Stub::Pin, request);
  }

  v1::Version Listed(uint64_t version) {
    grpc::ClientContext context;
    v1::ListVersionsResponse response;
    EXPECT_TRUE(server_.operators().ListVersions(&context, {}, &response).ok());
    for (const v1::Version& listed : response.versions()) {
      if (listed.version() == version) return listed;
    }
    return {};
  }

  // The versions that answer requests of several clients, by request id. Every answer has the
  // predictions of the version that it names.
  std::map<std::string, uint64_t> AnswersByRequest() {
    std::map<uint64_t, std::vector<float>> expected;
    for (uint32_t seed = 1; seed <= 3; ++seed)
      expected[seed] = ExpectedPredictions(*SampleSnapshot(seed), kCandidates);
    std::map<std::string, uint64_t> answers;
    std::mutex mutex;
    std::vector<std::thread> clients;
    clients.reserve(kClients);
    for (int client = 0; client < kClients; ++client) {
      clients.emplace_back([&, client, channel = server_.NewChannel()] {
        const auto stub = v1::PredictionService::NewStub(channel);
        v1::PredictRequest request = PackedRequest(kCandidates);
        for (int i = 0; i < kRequestsPerClient; ++i) {
          request.set_request_id(absl::StrCat("client-", client, "-", i));
          grpc::ClientContext context;
          v1::PredictResponse response;
          const grpc::Status status = stub->Predict(&context, request, &response);
          const std::lock_guard lock(mutex);
          EXPECT_TRUE(status.ok()) << status.error_message();
          EXPECT_TRUE(std::equal(response.predictions().begin(), response.predictions().end(),
                                 expected[response.version()].begin(),
                                 expected[response.version()].end()))
              << response.version();
          answers[request.request_id()] = response.version();
        }
      });
    }
    for (std::thread& client : clients) client.join();
    return answers;
  }

  static int CountOf(uint64_t version, const std::map<std::string, uint64_t>& answers) {
    return static_cast<int>(
        std::count_if(answers.begin(), answers.end(),
                      [version](const auto& answer) { return answer.second == version; }));
  }

  void ExpectAllAnsweredBy(uint64_t version) {
    EXPECT_EQ(CountOf(version, AnswersByRequest()), kRequests);
    EXPECT_EQ(model_.canary_version(), 0U);
  }

  TestServer server_;
  v1::Model model_;  // as the last lever left it
};

TEST_F(CanaryTest, ClientsSeeBothVersionsAtTheRightShareAndEachRequestTheSameOneAgain) {
  StartWithCanary();
  EXPECT_EQ(model_.serving_version(), 1U);
  EXPECT_EQ(model_.canary_percent(), kPercent);
  EXPECT_TRUE(model_.has_canary_since());
  EXPECT_EQ(Listed(2).state(), v1::VERSION_STATE_CANARY);
  EXPECT_EQ(Listed(2).reason(), "20 % of the requests");
  const auto answers = AnswersByRequest();
  const double p = kPercent / 100.0;
  EXPECT_NEAR(CountOf(2, answers), p * kRequests, 4.0 * std::sqrt(p * (1.0 - p) * kRequests));
  EXPECT_EQ(CountOf(1, answers) + CountOf(2, answers), kRequests);
  EXPECT_EQ(AnswersByRequest(), answers);
}

TEST_F(CanaryTest, RequestsWithoutAnIdAreDividedToo) {
  StartWithCanary();
  int of_canary = 0;
  for (int i = 0; i < kRequests; ++i) {
    grpc::ClientContext context;
    v1::PredictResponse response;
    ASSERT_TRUE(server_.prediction().Predict(&context, PackedRequest(1), &response).ok());
    of_canary += response.version() == 2 ? 1 : 0;
  }
  const double p = kPercent / 100.0;
  EXPECT_NEAR(of_canary, p * kRequests, 4.0 * std::sqrt(p * (1.0 - p) * kRequests));
}

TEST_F(CanaryTest, TopKOfARequestIsAnsweredByTheVersionThatPredictsForIt) {
  server_.Start();
  ASSERT_EQ(server_.PublishAndLoad("ctr", 1), 1U);
  server_.PublishAndLoadCatalogue("ctr", 50);
  PublishCanary(2);
  std::map<uint64_t, int> counts;
  for (int i = 0; i < 200; ++i) {
    v1::PredictRequest predict = PackedRequest(1);
    predict.set_request_id(absl::StrCat("page-view-", i));
    v1::TopKRequest top_k;
    top_k.set_request_id(predict.request_id());
    top_k.mutable_features();
    top_k.set_k(3);
    grpc::ClientContext predict_context;
    grpc::ClientContext top_k_context;
    v1::PredictResponse predicted;
    v1::TopKResponse ranked;
    ASSERT_TRUE(server_.prediction().Predict(&predict_context, predict, &predicted).ok());
    const grpc::Status status = server_.prediction().TopK(&top_k_context, top_k, &ranked);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(ranked.version(), predicted.version());
    EXPECT_EQ(ranked.catalogue_version(), 1U);
    ++counts[ranked.version()];
  }
  EXPECT_EQ(counts.size(), 2U);
}

TEST_F(CanaryTest, AllRequestsAreAnsweredByItWhenItsTimeIsOver) {
  server_.config().mutable_models(0)->mutable_rollout()->set_canary_s(1);
  StartWithCanary();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (Listed(2).state() != v1::VERSION_STATE_SERVING) {
    ASSERT_LT(std::chrono::steady_clock::now(), end);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  ASSERT_TRUE(Reload().ok());
  ExpectAllAnsweredBy(2);
}

TEST_F(CanaryTest, AllRequestsAreAnsweredByItWhenItIsApproved) {
  StartWithCanary();
  ASSERT_TRUE(Approve(2).ok());
  EXPECT_EQ(model_.serving_version(), 2U);
  ExpectAllAnsweredBy(2);
}

TEST_F(CanaryTest, NoRequestIsAnsweredByItWhenItIsRejected) {
  StartWithCanary();
  ASSERT_TRUE(Reject(2).ok());
  ExpectAllAnsweredBy(1);
  EXPECT_EQ(Listed(2).state(), v1::VERSION_STATE_REJECTED);
}

TEST_F(CanaryTest, NoRequestIsAnsweredByItAfterARollback) {
  StartWithCanary();
  ASSERT_TRUE(Rollback().ok());
  EXPECT_EQ(model_.serving_version(), 1U);
  ExpectAllAnsweredBy(1);
}

TEST_F(CanaryTest, APinEndsIt) {
  StartWithCanary();
  ASSERT_TRUE(Pin(1).ok());
  ExpectAllAnsweredBy(1);
}

TEST_F(CanaryTest, ANewerVersionTakesItsPlaceWithAShareOfItsOwn) {
  StartWithCanary();
  const auto before = AnswersByRequest();
  PublishCanary(3);
  const auto after = AnswersByRequest();
  EXPECT_EQ(CountOf(2, after), 0);
  EXPECT_GT(CountOf(3, after), 0);
  int in_both = 0;
  for (const auto& [id, version] : after) in_both += version == 3 && before.at(id) == 2 ? 1 : 0;
  EXPECT_LT(in_both, CountOf(3, after) / 2) << "not always the same ids";
}

TEST_F(CanaryTest, AfterARestartTheSameRequestsAreItsOwn) {
  StartWithCanary();
  const auto before = AnswersByRequest();
  server_.Stop();
  server_.Start();
  ASSERT_TRUE(Reload().ok());
  EXPECT_EQ(model_.canary_version(), 2U);
  EXPECT_EQ(AnswersByRequest(), before);
}

TEST_F(CanaryTest, ANewCatalogueWaitsForItsEnd) {
  StartWithCanary();
  server_.PublishCatalogue("ctr", 50);
  ASSERT_TRUE(Reload().ok());
  EXPECT_EQ(model_.catalogue_version(), 0U);
  EXPECT_THAT(model_.catalogue_error(), HasSubstr("waits until the canary of version 2"));
  ASSERT_TRUE(Approve(2).ok());
  ASSERT_TRUE(Reload().ok());
  EXPECT_EQ(model_.catalogue_version(), 1U);
  EXPECT_EQ(model_.catalogue_error(), "");
}

TEST_F(CanaryTest, MetricsShowIt) {
  server_.EnableHttp();
  StartWithCanary();
  AnswersByRequest();
  server_.WaitForPage("/metrics", "fmserve_canary_version{model=\"ctr\"} 2\n");
  server_.WaitForPage("/metrics", "fmserve_canary_share{model=\"ctr\"} 0.2\n");
  server_.WaitForPage("/metrics", R"(call="predict",code="OK",version="2")");
}

TEST_F(CanaryTest, AManualRolloutWaitsForAnOperator) {
  server_.config().mutable_models(0)->mutable_rollout()->set_mode(v1::RolloutConfig::MANUAL);
  server_.Start();
  ASSERT_EQ(server_.PublishAndLoad("ctr", 1), 1U);
  ASSERT_EQ(server_.Publish("ctr", 2), 2U);
  EXPECT_THAT(Reload().error_message(), HasSubstr("version 2 is held: it waits for an operator"));
  EXPECT_EQ(Listed(2).state(), v1::VERSION_STATE_HELD);
  ExpectAllAnsweredBy(1);
  ASSERT_TRUE(Approve(2).ok());
  ExpectAllAnsweredBy(2);
}

}  // namespace
}  // namespace fmserve::server
