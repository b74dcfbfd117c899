// TopK and Predict by ids while weights and catalogues change.
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <map>
#include <span>
#include <thread>
#include <vector>

#include "tests/server/sample_model.h"
#include "tests/server/test_server.h"

namespace fmserve::server {
namespace {

constexpr uint32_t kVersions = 6;  // of weights, and of catalogues
constexpr uint32_t kK = 20;

int ItemsOf(uint64_t catalogue_version) { return 40 + 10 * static_cast<int>(catalogue_version); }

// The predictions of all items of all catalogues by each version of the weights.
std::map<uint64_t, std::vector<float>> AllPredictions() {
  std::map<uint64_t, std::vector<float>> predictions;
  for (uint32_t seed = 1; seed <= kVersions; ++seed)
    predictions[seed] = ExpectedPredictions(*SampleSnapshot(seed), ItemsOf(kVersions));
  return predictions;
}

bool Near(float a, float b) { return std::abs(a - b) < 1e-5F; }

// `predictions`: of one version of the weights, for the items of all catalogues.
bool IsBest(const v1::TopKResponse& response, const std::vector<float>& predictions) {
  const auto items =
      std::span(predictions).first(static_cast<size_t>(ItemsOf(response.catalogue_version())));
  std::vector<float> best(items.begin(), items.end());
  std::ranges::sort(best, std::greater<>());
  if (response.items_count() != items.size() || response.covered_items_count() != items.size() ||
      response.ids().integers_size() != kK) {
    return false;
  }
  for (int i = 0; i < static_cast<int>(kK); ++i) {
    const uint64_t id = response.ids().integers(i);
    if (id >= items.size() || !Near(response.predictions(i), items[id]) ||
        !Near(response.predictions(i), best[static_cast<size_t>(i)])) {
      return false;
    }
  }
  return true;
}

bool AreOfTheirFeatures(const v1::PredictResponse& response,
                        const std::vector<float>& predictions) {
  const int items = ItemsOf(response.catalogue_version());
  for (int i = 0; i < response.predictions_size(); ++i) {
    const float prediction = response.predictions(i);
    if (i < items ? !Near(prediction, predictions[static_cast<size_t>(i)])
                  : !std::isnan(prediction)) {
      return false;
    }
  }
  return response.predictions_size() == ItemsOf(kVersions);
}

v1::TopKRequest BestRequest() {
  v1::TopKRequest request;
  *request.mutable_features() = FriendlyRequest(0).features();
  request.set_k(kK);
  return request;
}

v1::PredictRequest IdsRequest() {
  v1::PredictRequest request = FriendlyRequest(0);
  for (int i = 0; i < ItemsOf(kVersions); ++i)
    request.mutable_items()->add_integers(static_cast<uint64_t>(i));
  return request;
}

// Clients that ask until the object ends.
class Askers {
 public:
  using Ask = std::function<bool(v1::PredictionService::StubInterface&)>;  // answered well?

  Askers(const TestServer& server, const std::vector<Ask>& asks) {
    for (const Ask& ask : asks) {
      threads_.emplace_back([this, channel = server.NewChannel(), ask] {
        const auto stub = v1::PredictionService::NewStub(channel);
        while (!stop_) {
          if (!ask(*stub)) ++bad_;
          ++answers_;
        }
      });
    }
  }
  ~Askers() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

  void WaitForAnswers(int count) const {
    const int wanted = answers_ + count;
    while (answers_ < wanted) std::this_thread::yield();
  }
  int bad() const { return bad_; }

 private:
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> answers_ = 0;
  std::atomic<int> bad_ = 0;
};

TEST(CatalogueSwapTest, EveryAnswerIsOfThePairThatItNames) {
  const std::map<uint64_t, std::vector<float>> predictions = AllPredictions();
  const auto top_k = [&](v1::PredictionService::StubInterface& stub) {
    grpc::ClientContext context;
    v1::TopKResponse response;
    return stub.TopK(&context, BestRequest(), &response).ok() &&
           IsBest(response, predictions.at(response.version()));
  };
  const auto by_ids = [&](v1::PredictionService::StubInterface& stub) {
    grpc::ClientContext context;
    v1::PredictResponse response;
    return stub.Predict(&context, IdsRequest(), &response).ok() &&
           AreOfTheirFeatures(response, predictions.at(response.version()));
  };
  TestServer server;
  server.Start();
  server.PublishAndLoad("ctr", 1);
  server.PublishAndLoadCatalogue("ctr", ItemsOf(1));
  const Askers askers(server, {top_k, top_k, by_ids});
  for (uint32_t version = 2; version <= kVersions; ++version) {
    askers.WaitForAnswers(20);
    ASSERT_EQ(server.PublishAndLoad("ctr", version), version);
    askers.WaitForAnswers(20);
    ASSERT_EQ(server.PublishAndLoadCatalogue("ctr", ItemsOf(version)), version);
    askers.WaitForAnswers(20);
    grpc::ClientContext context;
    v1::RollbackResponse rolled_back;
    ASSERT_TRUE(server.operators().Rollback(&context, {}, &rolled_back).ok());
  }
  askers.WaitForAnswers(20);
  EXPECT_EQ(askers.bad(), 0);
}

}  // namespace
}  // namespace fmserve::server
