// A warm call must not allocate: counts what a call that comes back from the pool takes from the
// heap.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <new>
#include <string>
#include <utility>

#include "loader/model_slot.h"
#include "server/call_pool.h"
#include "server/message_bytes.h"
#include "server/prediction_log.h"
#include "tests/server/sample_model.h"

namespace {

thread_local int allocations = 0;

void* CountedAllocation(size_t bytes) {
  ++allocations;
  if (void* const memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}

}  // namespace

// The nothrow and array forms call these.
void* operator new(size_t bytes) { return CountedAllocation(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace fmserve::server {
namespace {

class CallAllocationTest : public testing::Test {
 protected:
  CallAllocationTest() { slot_.Publish(SampleSnapshot()); }

  // What happens to a call between the network's bytes and the answer; returns its allocations.
  int Serve(const std::string& bytes, absl::StatusCode expected = absl::StatusCode::kOk) {
    const int before = allocations;
    auto call = pool_.Take();
    const bool parsed = call->request.ParseFromString(bytes);
    const auto budget = RequestBudget::Start(SystemClock(), SystemClock().Now(),
                                             std::chrono::minutes(1), {}, std::chrono::minutes(1));
    const std::shared_ptr<const loader::Snapshot> snapshot =
        slot_.Choose(call->request.request_id());
    const absl::Status status =
        Predict(*snapshot, limits_, budget, call->request, &call->scratch, &call->response);
    by_canary_count_ += snapshot == slot_.Canary() ? 1 : 0;
    scored_count_ = call->response.scored_count();
    if (status.ok()) {
      pool_.GiveBack(std::move(call));
    } else {
      call.reset();
    }
    const int during = allocations - before;
    EXPECT_TRUE(parsed);
    EXPECT_EQ(status.code(), expected) << status;
    return during;
  }

  loader::ModelSlot slot_;
  int by_canary_count_ = 0;
  const RequestLimits limits_ = {};
  PredictCallPool pool_;
  uint32_t scored_count_ = 0;
};

TEST_F(CallAllocationTest, WarmCallsAllocateNothingInEitherForm) {
  for (const v1::PredictRequest& request : {PackedRequest(200), FriendlyRequest(200)}) {
    const std::string bytes = request.SerializeAsString();
    EXPECT_GT(Serve(bytes), 0);
    EXPECT_EQ(Serve(bytes), 0);
    EXPECT_EQ(scored_count_, 200U);
  }
}

TEST_F(CallAllocationTest, WarmCallsAllocateNothingWhileThereIsACanary) {
  slot_.StartCanary(SampleSnapshot(2), loader::CanaryShare::Of(2, 50.0));
  v1::PredictRequest request = PackedRequest(200);
  for (int i = 0; i < 100; ++i) {
    request.set_request_id("a request with an id that needs memory " + std::to_string(100 + i));
    const int taken = Serve(request.SerializeAsString());
    EXPECT_TRUE(i == 0 || taken == 0) << i << ": " << taken;
  }
  EXPECT_GT(by_canary_count_, 30);
  EXPECT_LT(by_canary_count_, 70);
}

TEST_F(CallAllocationTest, RefusedCallsAreNotKept) {
  v1::PredictRequest request = FriendlyRequest(1);
  for (int i = 0; i < 20000; ++i) request.mutable_features()->mutable_context(0)->add_strings("");
  const std::string refused = request.SerializeAsString();
  for (int i = 0; i < 2; ++i) EXPECT_GT(Serve(refused, absl::StatusCode::kInvalidArgument), 1000);
}

TEST_F(CallAllocationTest, GiantsAreNotKept) {
  const std::string giant = PackedRequest(5000).SerializeAsString();
  EXPECT_GT(Serve(giant), 0);
  EXPECT_GT(Serve(giant), 0);
}

TEST_F(CallAllocationTest, LoggingAnAnswerAllocatesNothing) {
  const PredictionLogOptions options{.model = "ctr",
                                     .folder = NewFolder(),
                                     .sample_percent = 100.0,
                                     .flush_interval = std::chrono::minutes(1)};
  PredictionLog log(options, [](uint64_t) { return nullptr; });
  for (const v1::PredictRequest& request : {PackedRequest(200), FriendlyRequest(200)}) {
    grpc::ByteBuffer bytes;
    ASSERT_TRUE(SerializeMessage(request, &bytes).ok());
    log.Put(CallKind::kPredict, bytes, bytes);
    const int before = allocations;
    log.Put(CallKind::kPredict, bytes, bytes);
    EXPECT_EQ(allocations - before, 0);
  }
}

}  // namespace
}  // namespace fmserve::server
