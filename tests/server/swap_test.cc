// Requests while weights change and while the server ends.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/sample_model.h"
#include "tests/server/test_server.h"

namespace fmserve::server {
namespace {

constexpr int kCandidates = 150;  // three chunks
constexpr uint32_t kVersions = 12;

// Clients that predict until they are told to stop.
class Load {
 public:
  using OnAnswer = std::function<void(const grpc::Status&, const v1::PredictResponse&)>;

  Load(const TestServer& server, int clients_count, const OnAnswer& on_answer) {
    for (int i = 0; i < clients_count; ++i) {
      clients_.emplace_back([this, channel = server.NewChannel(), on_answer, i] {
        const auto stub = v1::PredictionService::NewStub(channel);
        const v1::PredictRequest request =
            i % 2 == 0 ? PackedRequest(kCandidates) : FriendlyRequest(kCandidates);
        while (!stop_) {
          grpc::ClientContext context;
          v1::PredictResponse response;
          const grpc::Status status = stub->Predict(&context, request, &response);
          on_answer(status, response);
          ++answers_;
        }
      });
    }
  }
  ~Load() {
    stop_ = true;
    for (std::thread& client : clients_) client.join();
  }

  // Until so many more answers came.
  void WaitForAnswers(int count) const {
    const int wanted = answers_ + count;
    while (answers_ < wanted) std::this_thread::yield();
  }

 private:
  std::vector<std::thread> clients_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> answers_ = 0;
};

TEST(SwapTest, RequestsUnderWayNeverFailNorMixVersions) {
  std::map<uint64_t, std::vector<float>> expected;
  for (uint32_t seed = 1; seed <= kVersions; ++seed)
    expected[seed] = ExpectedPredictions(*SampleSnapshot(seed), kCandidates);
  TestServer server;
  server.Start();
  ASSERT_EQ(server.PublishAndLoad("ctr", 1), 1U);
  std::atomic<int> failed = 0;
  std::atomic<int> mixed = 0;
  {
    const Load load(
        server, 4, [&](const grpc::Status& status, const v1::PredictResponse& response) {
          if (!status.ok()) {
            ++failed;
          } else if (!std::equal(response.predictions().begin(), response.predictions().end(),
                                 expected.at(response.version()).begin(),
                                 expected.at(response.version()).end())) {
            ++mixed;
          }
        });
    for (uint32_t seed = 2; seed <= kVersions; ++seed) {
      load.WaitForAnswers(20);
      ASSERT_EQ(server.PublishAndLoad("ctr", seed), seed);
      load.WaitForAnswers(20);
      grpc::ClientContext context;
      v1::RollbackResponse rolled_back;
      ASSERT_TRUE(server.operators().Rollback(&context, {}, &rolled_back).ok());
    }
  }
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(mixed, 0);
}

// A call that is on its way when the server stops taking calls is not served, and is told so.
bool WasNotTaken(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         status.error_code() == grpc::StatusCode::CANCELLED;
}

TEST(DrainTest, EveryRequestThatWasTakenIsAnswered) {
  TestServer server;
  server.EnableHttp();
  server.Start();
  server.PublishAndLoad("ctr", 1);
  std::atomic<int> ok = 0;
  std::atomic<int> not_taken = 0;
  std::atomic<int> otherwise = 0;
  {
    const Load load(server, 4,
                    [&](const grpc::Status& status, const v1::PredictResponse& response) {
                      if (status.ok() && response.scored_count() == kCandidates) {
                        ++ok;
                      } else if (WasNotTaken(status)) {
                        ++not_taken;
                      } else {
                        ++otherwise;
                      }
                    });
    load.WaitForAnswers(100);
    server.server().Drain();
    load.WaitForAnswers(4);
  }
  EXPECT_GT(not_taken, 0);
  EXPECT_EQ(otherwise, 0);
  EXPECT_THAT(
      server.HttpGet("/metrics"),
      testing::HasSubstr(absl::StrCat(
          "fmserve_requests_total{model=\"ctr\",call=\"predict\",code=\"OK\",version=\"1\"} ",
          ok.load(), "\n")));
}

TEST(DrainTest, LameDuckSaysThatItEndsButServes) {
  TestServer server;
  server.EnableHttp();
  server.config().set_lame_duck_ms(1000);
  server.Start();
  server.PublishAndLoad("ctr", 1);
  server.PublishAndLoad("cvr", 1);
  std::thread drain([&] { server.server().Drain(); });
  server.WaitForPage("/readyz", "draining");
  grpc::ClientContext context;
  v1::PredictResponse response;
  EXPECT_TRUE(server.prediction().Predict(&context, PackedRequest(1), &response).ok());
  drain.join();
}

}  // namespace
}  // namespace fmserve::server
