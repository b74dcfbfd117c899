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
#include "server/predictor.h"
#include "server/ranker.h"

namespace fmserve::server {

// Whether clearing the messages would keep more memory than a call may own for ever: a giant's.
bool AreLarge(const v1::PredictRequest& request, const v1::PredictResponse& response);
bool AreLarge(const v1::TopKRequest& request, const v1::TopKResponse& response);

// Messages and memory of one call.
template <typename Request, typename Response, typename Scratch>
struct PooledCall {
  Request request;
  Response response;
  Scratch scratch;
};

// Safe from any thread.
template <typename Request, typename Response, typename Scratch>
class CallPool {
 public:
  using Call = PooledCall<Request, Response, Scratch>;

  // With empty messages.
  std::unique_ptr<Call> Take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        std::unique_ptr<Call> call = std::move(idle_.back());
        idle_.pop_back();
        return call;
      }
    }
    return std::make_unique<Call>();
  }

  // Only calls that were answered well: these were within the limits of a request, and so is the
  // memory that clearing them keeps.
  void GiveBack(std::unique_ptr<Call> call) {
    if (AreLarge(call->request, call->response)) return;
    call->request.Clear();
    call->response.Clear();
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kMaxIdleCalls) idle_.push_back(std::move(call));
  }

 private:
  // The most calls kept for later: a burst does not own memory for ever.
  static constexpr size_t kMaxIdleCalls = 128;

  std::mutex mutex_;
  std::vector<std::unique_ptr<Call>> idle_;
};

using PredictCallPool = CallPool<v1::PredictRequest, v1::PredictResponse, PredictScratch>;
using TopKCallPool = CallPool<v1::TopKRequest, v1::TopKResponse, TopKScratch>;

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_CALL_POOL_H_
