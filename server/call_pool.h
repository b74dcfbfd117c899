// What a call needs while it runs, used again for the next one, so that a warm server allocates
// nothing of its own per request.
#ifndef FMSERVE_SERVER_CALL_POOL_H_
#define FMSERVE_SERVER_CALL_POOL_H_

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "fmserve/v1/prediction.pb.h"
#include "grpcpp/support/message_allocator.h"
#include "server/predictor.h"
#include "server/ranker.h"

namespace fmserve::server {

// Whether clearing the messages would keep more memory than a call may own for ever: a giant's.
bool AreLarge(const v1::PredictRequest& request, const v1::PredictResponse& response);
bool AreLarge(const v1::TopKRequest& request, const v1::TopKResponse& response);

template <typename Request, typename Response, typename Scratch>
class CallPool;

// Messages and memory of one call.
template <typename Request, typename Response, typename Scratch>
class PooledCall : public grpc::MessageHolder<Request, Response> {
 public:
  using Pool = CallPool<Request, Response, Scratch>;

  explicit PooledCall(Pool* pool) : pool_(pool) {
    this->set_request(&request_);
    this->set_response(&response_);
  }

  // gRPC is done with the call: back into the pool.
  void Release() override { pool_->TakeBack(std::unique_ptr<PooledCall>(this)); }

  Scratch& scratch() { return scratch_; }

  // What was answered well was within the limits of a request, and so is the memory that clearing
  // it keeps. Other calls are not used again.
  void AnsweredWell() { answered_well_ = true; }

 private:
  friend Pool;

  Pool* pool_;
  bool answered_well_ = false;
  Request request_;
  Response response_;
  Scratch scratch_;
};

// Safe from any thread.
template <typename Request, typename Response, typename Scratch>
class CallPool : public grpc::MessageAllocator<Request, Response> {
 public:
  using Call = PooledCall<Request, Response, Scratch>;

  Call* AllocateMessages() override {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        Call* call = idle_.back().release();
        idle_.pop_back();
        return call;
      }
    }
    return std::make_unique<Call>(this).release();
  }

 private:
  friend Call;

  // The most calls kept for later: a burst does not own memory for ever.
  static constexpr size_t kMaxIdleCalls = 128;

  void TakeBack(std::unique_ptr<Call> call) {
    if (!std::exchange(call->answered_well_, false)) return;
    if (AreLarge(call->request_, call->response_)) return;
    call->request_.Clear();
    call->response_.Clear();
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kMaxIdleCalls) idle_.push_back(std::move(call));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Call>> idle_;
};

using PredictCallPool = CallPool<v1::PredictRequest, v1::PredictResponse, PredictScratch>;
using TopKCallPool = CallPool<v1::TopKRequest, v1::TopKResponse, TopKScratch>;

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_CALL_POOL_H_
