// What a Predict call needs while it runs, used again for the next one, so that a warm server
// allocates nothing of its own per request.
#ifndef FMSERVE_SERVER_CALL_POOL_H_
#define FMSERVE_SERVER_CALL_POOL_H_

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "fmserve/v1/prediction.pb.h"
#include "grpcpp/support/message_allocator.h"
#include "server/predictor.h"

namespace fmserve::server {

class CallPool;

// Messages and memory of one call.
class PredictCall : public grpc::MessageHolder<v1::PredictRequest, v1::PredictResponse> {
 public:
  explicit PredictCall(CallPool* pool);

  // gRPC is done with the call: back into the pool.
  void Release() override;

  PredictScratch& scratch() { return scratch_; }

  // What was answered well was within the limits of a request, and so is the memory that clearing
  // it keeps. Other calls are not used again.
  void AnsweredWell() { answered_well_ = true; }

 private:
  friend class CallPool;

  // Of the memory that clearing the messages would keep.
  bool IsLarge() const;

  CallPool* pool_;
  bool answered_well_ = false;
  v1::PredictRequest request_;
  v1::PredictResponse response_;
  PredictScratch scratch_;
};

// Safe from any thread.
class CallPool : public grpc::MessageAllocator<v1::PredictRequest, v1::PredictResponse> {
 public:
  PredictCall* AllocateMessages() override;

 private:
  friend class PredictCall;
  void TakeBack(std::unique_ptr<PredictCall> call);

  std::mutex mutex_;
  std::vector<std::unique_ptr<PredictCall>> idle_;
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_CALL_POOL_H_
