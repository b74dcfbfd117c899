#include "server/call_pool.h"

#include <cstdint>
#include <utility>

namespace fmserve::server {
namespace {

// The most calls kept for later, and the most messages or column elements that a call may hold to
// be kept: a burst or a giant does not own memory for ever.
constexpr size_t kMaxIdleCalls = 128;
constexpr int kMaxKeptElements = 1 << 15;

}  // namespace

PredictCall::PredictCall(CallPool* pool) : pool_(pool) {
  set_request(&request_);
  set_response(&response_);
}

void PredictCall::Release() { pool_->TakeBack(std::unique_ptr<PredictCall>(this)); }

// The features of the friendly form are estimated from the first candidate: counting them all costs
// more than it saves.
bool PredictCall::IsLarge() const {
  const v1::Features& features = request_.features();
  const int per_candidate =
      features.candidates().empty() ? 0 : features.candidates(0).features_size();
  return request_.packed().keys_size() > kMaxKeptElements ||
         response_.predictions_size() > kMaxKeptElements ||
         features.context_size() > kMaxKeptElements ||
         int64_t{features.candidates_size()} * (1 + per_candidate) > kMaxKeptElements;
}

PredictCall* CallPool::AllocateMessages() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      PredictCall* call = idle_.back().release();
      idle_.pop_back();
      return call;
    }
  }
  return std::make_unique<PredictCall>(this).release();
}

void CallPool::TakeBack(std::unique_ptr<PredictCall> call) {
  if (!std::exchange(call->answered_well_, false) || call->IsLarge()) return;
  call->request_.Clear();
  call->response_.Clear();
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kMaxIdleCalls) idle_.push_back(std::move(call));
}

}  // namespace fmserve::server
