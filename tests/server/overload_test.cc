// Too many requests, seen by their clients.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "tests/server/sample_model.h"
#include "tests/server/test_server.h"

namespace fmserve::server {
namespace {

using ::testing::HasSubstr;

constexpr int kOverloadClients = 8;
constexpr int kManyCandidates = 2000;  // some work, so that calls meet
constexpr uint32_t kRetryDelayMs = 70;

struct Outcome {
  grpc::Status status = {};
  std::string retry_delay = {};  // "" for none
};

// One that lets in a single call at a time.
class OverloadTest : public testing::Test {
 protected:
  OverloadTest() {
    server_.EnableHttp();
    server_.config().set_scoring_threads(1);
    server_.config().mutable_overload()->set_adaptive(false);
    server_.config().mutable_overload()->set_max_in_flight(1);
    server_.config().mutable_overload()->set_retry_delay_ms(kRetryDelayMs);
    server_.Start();
    server_.PublishAndLoad("ctr", 1);
    server_.PublishAndLoadCatalogue("ctr", 50);
  }

  using Send = std::function<grpc::Status(v1::PredictionService::Stub&, grpc::ClientContext*)>;

  static Send Predict(int candidates) {
    return [request = PackedRequest(candidates)](auto& stub, grpc::ClientContext* context) {
      v1::PredictResponse response;
      return stub.Predict(context, request, &response);
    };
  }

  static Send TopK() {
    v1::TopKRequest request;
    request.set_k(10);
    *request.mutable_features()->mutable_context() = FriendlyRequest(0).features().context();
    return [request](auto& stub, grpc::ClientContext* context) {
      v1::TopKResponse response;
      return stub.TopK(context, request, &response);
    };
  }

  // From several clients at once, until `enough(outcomes by code)`; half a minute at most.
  std::map<grpc::StatusCode, std::vector<Outcome>> SendUntil(
      const Send& send,
      const std::function<bool(const std::map<grpc::StatusCode, std::vector<Outcome>>&)>& enough) {
    std::map<grpc::StatusCode, std::vector<Outcome>> outcomes;
    std::mutex mutex;
    std::atomic<bool> stop = false;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    std::vector<std::jthread> clients;
    for (int i = 0; i < kOverloadClients; ++i) {
      clients.emplace_back([&, channel = server_.NewChannel()] {
        v1::PredictionService::Stub stub(channel);
        while (!stop) {
          Outcome outcome = SendOne(stub, send);
          const std::lock_guard lock(mutex);
          outcomes[outcome.status.error_code()].push_back(outcome);
          stop = stop || enough(outcomes) || std::chrono::steady_clock::now() > end;
        }
      });
    }
    clients.clear();
    return outcomes;
  }

  static Outcome SendOne(v1::PredictionService::Stub& stub, const Send& send) {
    grpc::ClientContext context;
    Outcome outcome{.status = send(stub, &context), .retry_delay = ""};
    const auto& trailing = context.GetServerTrailingMetadata();
    if (const auto found = trailing.find("grpc-retry-pushback-ms"); found != trailing.end())
      outcome.retry_delay.assign(found->second.data(), found->second.size());
    return outcome;
  }

  void ExpectRefusals(const Send& send) {
    const auto outcomes = SendUntil(send, [](const auto& so_far) {
      return so_far.contains(grpc::StatusCode::OK) &&
             so_far.contains(grpc::StatusCode::RESOURCE_EXHAUSTED) &&
             so_far.at(grpc::StatusCode::RESOURCE_EXHAUSTED).size() >= 20;
    });
    ASSERT_TRUE(outcomes.contains(grpc::StatusCode::OK));
    ASSERT_TRUE(outcomes.contains(grpc::StatusCode::RESOURCE_EXHAUSTED));
    EXPECT_EQ(outcomes.size(), 2U);
    for (const Outcome& ok : outcomes.at(grpc::StatusCode::OK)) EXPECT_EQ(ok.retry_delay, "");
    for (const Outcome& refused : outcomes.at(grpc::StatusCode::RESOURCE_EXHAUSTED)) {
      EXPECT_THAT(refused.status.error_message(), HasSubstr("overloaded"));
      uint32_t delay_ms = 0;
      ASSERT_TRUE(absl::SimpleAtoi(refused.retry_delay, &delay_ms)) << refused.retry_delay;
      EXPECT_GE(delay_ms, kRetryDelayMs);
      EXPECT_LE(delay_ms, 2 * kRetryDelayMs);
    }
  }

  // The only place of the server becomes free, so that no call has kept it. A call that its client
  // gave up may still be on its way here, and then takes the place once more.
  void ExpectNothingInFlight() {
    v1::PredictionService::Stub stub(server_.NewChannel());
    Outcome outcome;
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
         std::chrono::steady_clock::now() < end;) {
      outcome = SendOne(stub, Predict(1));
      if (outcome.status.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_TRUE(outcome.status.ok()) << outcome.status.error_message();
    server_.WaitForPage("/metrics", "fmserve_requests_in_flight 0\n");
  }

  TestServer server_;
};

TEST_F(OverloadTest, PredictsBeyondTheLimitAreRefusedWithARetryDelay) {
  ExpectRefusals(Predict(kManyCandidates));
  EXPECT_THAT(
      server_.HttpGet("/metrics"),
      Not(HasSubstr("fmserve_refused_requests_total{call=\"predict\",reason=\"limit\"} 0\n")));
  ExpectNothingInFlight();
}

TEST_F(OverloadTest, TopKsBeyondTheLimitAreRefusedWithARetryDelay) {
  ExpectRefusals(TopK());
  EXPECT_THAT(
      server_.HttpGet("/metrics"),
      Not(HasSubstr("fmserve_refused_requests_total{call=\"top_k\",reason=\"limit\"} 0\n")));
  ExpectNothingInFlight();
}

TEST_F(OverloadTest, CallsThatFailLeaveTheirPlace) {
  v1::PredictionService::Stub stub(server_.NewChannel());
  for (const Send& send : {Send([](auto&s, grpc::ClientContext*context) {
                             v1::PredictResponse response;
                             return s.Predict(context, {}, &response);  // no features
                           }),
                           Send([](auto&s, grpc::ClientContext*context) {
                             v1::TopKResponse response;
                             return s.TopK(context, {}, &response);  // no k
                           }),
                           Send([](auto&s, grpc::ClientContext*context) {
                             v1::PredictRequest request = PackedRequest(1);
                             request.set_model("unknown");
                             v1::PredictResponse response;
                             return s.Predict(context, request, &response);
                           }),
                           Send([](auto&s, grpc::ClientContext*context) {
                             v1::PredictRequest request = PackedRequest(1);
                             request.set_model("cvr");  // has no weights
                             v1::PredictResponse response;
                             return s.Predict(context, request, &response);
                           })}) {
    EXPECT_FALSE(SendOne(stub, send).status.ok());
    ExpectNothingInFlight();
  }
}

TEST_F(OverloadTest, BytesThatAreNoRequestAreInvalidAndLeaveTheirPlace) {
  grpc::GenericStub stub(server_.NewChannel());
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  const grpc::Slice garbage("\xff\xff\xff\xff");
  const auto call = stub.PrepareUnaryCall(&context, "/fmserve.v1.PredictionService/Predict",
                                          grpc::ByteBuffer(&garbage, 1), &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("is not a fmserve.v1.PredictRequest"));
  ExpectNothingInFlight();
}

TEST_F(OverloadTest, CallsThatAreCancelledOrExpireLeaveTheirPlace) {
  const auto spread = [](int n) { return std::chrono::microseconds(50 * (n % 40)); };
  std::atomic<int> calls = 0;
  const Send expiring = [&](auto& stub, grpc::ClientContext* context) {
    context->set_deadline(std::chrono::system_clock::now() + spread(calls++));
    return Predict(kManyCandidates)(stub, context);
  };
  const Send cancelled = [&](auto& stub, grpc::ClientContext* context) {
    const std::jthread canceller([context, wait = spread(calls++)] {
      std::this_thread::sleep_for(wait);
      context->TryCancel();
    });
    return Predict(kManyCandidates)(stub, context);
  };
  for (const Send& send : {expiring, cancelled}) {
    SendUntil(send, [](const auto& so_far) {
      size_t count = 0;
      for (const auto& [code, outcomes] : so_far) count += outcomes.size();
      return count >= 500;
    });
    ExpectNothingInFlight();
  }
}

TEST_F(OverloadTest, OtherServicesAreNotRefused) {
  std::atomic<int> answered = 0;
  const Send both = [&](auto& stub, grpc::ClientContext* context) {
    grpc::ClientContext schema_context;
    v1::GetSchemaResponse schema;
    EXPECT_TRUE(stub.GetSchema(&schema_context, {}, &schema).ok());
    ++answered;
    return Predict(kManyCandidates)(stub, context);
  };
  SendUntil(both, [&](const auto&) { return answered > 200; });
}

}  // namespace
}  // namespace fmserve::server
