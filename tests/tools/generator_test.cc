#include "tools/load/generator.h"

#include <gmock/gmock.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "fmserve/v1/prediction.grpc.pb.h"

namespace fmserve::tools {
namespace {

using fmserve::v1::PredictRequest;
using fmserve::v1::PredictResponse;
using fmserve::v1::TopKRequest;
using fmserve::v1::TopKResponse;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::Pair;

// Answers at once, but stalls all calls that arrive during a certain time after its first call.
class FakeServer final : public fmserve::v1::PredictionService::Service {
 public:
  FakeServer() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeServer() override { server_->Shutdown(std::chrono::system_clock::now()); }

  std::string target() const { return "127.0.0.1:" + std::to_string(port_); }

  grpc::Status Predict(grpc::ServerContext*, const PredictRequest* request,
                       PredictResponse* response) override {
    const auto now = std::chrono::steady_clock::now();
    std::call_once(first_, [&] { first_time_ = now; });
    if (now < first_time_ + stall_) std::this_thread::sleep_until(first_time_ + stall_);
    if (request->model() == "unknown") return {grpc::StatusCode::NOT_FOUND, "no such model"};
    response->set_version(request->model() == "new" ? 2 : 1);
    response->add_predictions(0.25F);
    response->add_predictions(0.5F);
    response->set_scored_count(request->model() == "slow" ? 1 : 2);
    if (request->model() == "slow")
      response->set_incomplete(fmserve::v1::INCOMPLETE_DEADLINE_EXCEEDED);
    return grpc::Status::OK;
  }

  grpc::Status TopK(grpc::ServerContext*, const TopKRequest* request,
                    TopKResponse* response) override {
    response->set_version(3);
    for (uint32_t i = 0; i < request->k(); ++i) response->add_predictions(0.5F);
    if (request->model() == "slow")
      response->set_incomplete(fmserve::v1::INCOMPLETE_DEADLINE_EXCEEDED);
    return grpc::Status::OK;
  }

  void StallFor(milliseconds stall) { stall_ = stall; }

 private:
  int port_ = 0;
  std::once_flag first_;
  std::chrono::steady_clock::time_point first_time_;
  milliseconds stall_{0};
  std::unique_ptr<grpc::Server> server_;
};

std::string RequestFor(const std::string& model) {
  PredictRequest request;
  request.set_model(model);
  return request.SerializeAsString();
}

LoadResult MustRun(const LoadOptions& options, const std::vector<std::string>& requests) {
  const std::atomic<bool> stop = false;
  auto result = RunLoad(options, requests, stop);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : LoadResult();
}

TEST(RunLoad, SendsWhatTheScheduleSaysAndCountsAnswersByVersion) {
  const FakeServer server;
  const LoadOptions options{.target = server.target(),
                            .rate_per_s = 500,
                            .arrivals = Arrivals::kUniform,
                            .duration = milliseconds(400)};
  const LoadResult result = MustRun(options, {RequestFor("old"), RequestFor("new")});
  EXPECT_NEAR(static_cast<double>(result.sent), 199, 2);
  EXPECT_EQ(result.ok, result.sent);
  EXPECT_EQ(result.latency.count(), result.sent);
  EXPECT_EQ(result.versions.at(1) + result.versions.at(2), result.sent);
  EXPECT_THAT(result.errors, ::testing::IsEmpty());
}

TEST(RunLoad, CountsErrorsByCodeAndPartialAnswers) {
  const FakeServer server;
  const LoadOptions options{
      .target = server.target(), .rate_per_s = 1000, .max_requests = 90, .keep_records = true};
  const LoadResult result =
      MustRun(options, {RequestFor("old"), RequestFor("unknown"), RequestFor("slow")});
  EXPECT_EQ(result.sent, 90U);
  EXPECT_EQ(result.ok, 60U);
  EXPECT_EQ(result.partial, 30U);
  EXPECT_THAT(result.errors, ElementsAre(Pair(static_cast<int>(grpc::StatusCode::NOT_FOUND), 30U)));
  EXPECT_EQ(result.records.size(), 90U);
}

TEST(RunLoad, LatencyOfAStallIsFeltByAllThatWereDueMeanwhile) {
  FakeServer server;
  server.StallFor(milliseconds(200));
  const LoadOptions options{.target = server.target(),
                            .rate_per_s = 1000,
                            .arrivals = Arrivals::kUniform,
                            .duration = milliseconds(400)};
  const LoadResult result = MustRun(options, {RequestFor("old")});
  // Half of the requests were due in the 200 ms that the server stood still: their mean wait is 100
  // ms. A closed loop would have seen one slow request.
  EXPECT_GE(result.latency.Quantile(0.75), 80'000);
  EXPECT_GE(result.latency.max_us(), 180'000);
}

TEST(RunLoad, WhatIsBeyondTheOutstandingLimitIsAnErrorNotADelay) {
  FakeServer server;
  server.StallFor(milliseconds(300));
  const LoadOptions options{.target = server.target(),
                            .rate_per_s = 1000,
                            .arrivals = Arrivals::kUniform,
                            .duration = milliseconds(200),
                            .max_outstanding = 5};
  const LoadResult result = MustRun(options, {RequestFor("old")});
  EXPECT_NEAR(static_cast<double>(result.sent), 199, 2);
  EXPECT_EQ(result.ok, 5U);
  EXPECT_EQ(result.errors.at(kClientOverload), result.sent - 5);
}

TEST(RunLoad, ARequestWithoutAnAnswerTimesOutAndItsWaitCounts) {
  FakeServer server;
  server.StallFor(milliseconds(500));
  const LoadOptions options{
      .target = server.target(), .rate_per_s = 100, .max_requests = 3, .timeout = milliseconds(50)};
  const LoadResult result = MustRun(options, {RequestFor("old")});
  EXPECT_EQ(result.errors.at(grpc::StatusCode::DEADLINE_EXCEEDED), 3U);
  EXPECT_EQ(result.latency.count(), 3U);
  EXPECT_GE(result.latency.Quantile(0.0), 49'000);
}

TEST(RunLoad, ClosedLoopKeepsItsNumberOfRequestsOutstanding) {
  const FakeServer server;
  const LoadOptions options{
      .target = server.target(), .closed_loop = 3, .max_requests = 500, .keep_records = true};
  const LoadResult result = MustRun(options, {RequestFor("old")});
  EXPECT_EQ(result.sent, 500U);
  EXPECT_EQ(result.ok, 500U);
}

TEST(RunLoad, RecordsCarryTheFingerprintOfTheScoredPredictions) {
  const FakeServer server;
  const LoadOptions options{
      .target = server.target(), .rate_per_s = 1000, .max_requests = 2, .keep_records = true};
  const LoadResult whole = MustRun(options, {RequestFor("old")});
  const LoadResult partial = MustRun(options, {RequestFor("slow")});
  const float predictions[] = {0.25F, 0.5F};
  EXPECT_EQ(whole.records.at(0).fingerprint, Fingerprint(predictions, 2));
  EXPECT_EQ(partial.records.at(0).fingerprint, Fingerprint(predictions, 1));
}

TEST(RunLoad, AsksForTheBestOfACatalogue) {
  const FakeServer server;
  TopKRequest whole;
  whole.set_k(2);
  TopKRequest partial = whole;
  partial.set_model("slow");
  const LoadResult result = MustRun({.target = server.target(),
                                     .method = LoadMethod::kTopK,
                                     .rate_per_s = 1000,
                                     .max_requests = 10,
                                     .keep_records = true},
                                    {whole.SerializeAsString(), partial.SerializeAsString()});
  EXPECT_EQ(result.ok, 10U);
  EXPECT_EQ(result.partial, 5U);
  EXPECT_THAT(result.versions, ElementsAre(Pair(3U, 10U)));
  const float predictions[] = {0.5F, 0.5F};
  EXPECT_EQ(result.records.at(0).scored_count, 2U);
  EXPECT_EQ(result.records.at(0).fingerprint, Fingerprint(predictions, 2));
}

TEST(RunLoad, StopsWhenToldTo) {
  const FakeServer server;
  std::atomic<bool> stop = false;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(milliseconds(100));
    stop = true;
  });
  const auto result =
      RunLoad({.target = server.target(), .rate_per_s = 100}, {RequestFor("old")}, stop);
  ASSERT_TRUE(result.ok());
  EXPECT_LT(result->seconds, 5.0);
}

TEST(RunLoad, SaysSoWhenNobodyAnswers) {
  const std::atomic<bool> stop = false;
  const auto result =
      RunLoad({.target = "unix:/nonexistent/socket", .connect_timeout = milliseconds(200)},
              {RequestFor("old")}, stop);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(result.status().message()),
              ::testing::HasSubstr("unix:/nonexistent/socket"));
}

TEST(OutcomeName, NamesCodesAsScriptsExpectThem) {
  EXPECT_EQ(OutcomeName(grpc::StatusCode::OK), "ok");
  EXPECT_EQ(OutcomeName(grpc::StatusCode::DEADLINE_EXCEEDED), "deadline_exceeded");
  EXPECT_EQ(OutcomeName(kClientOverload), "client_overload");
}

}  // namespace
}  // namespace fmserve::tools
