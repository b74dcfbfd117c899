// PredictionService over gRPC's callback API. Included by server.cc alone: gRPC's headers are slow
// to compile.
#ifndef FMSERVE_SERVER_PREDICTION_SERVICE_H_
#define FMSERVE_SERVER_PREDICTION_SERVICE_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "fmserve/v1/prediction.grpc.pb.h"
#include "server/call_pool.h"
#include "server/concurrency_limiter.h"
#include "server/log.h"
#include "server/predictor.h"
#include "server/refusals.h"
#include "server/scoring_threads.h"
#include "server/served_models.h"

namespace fmserve::server {

struct ServiceOptions {
  RequestLimits limits = {};
  LimiterOptions limiter = {};
  std::chrono::milliseconds retry_delay{50};  // of refused clients, to twice as much
};

// Predict and TopK get the bytes of a request, so that one that comes in vain is turned away before
// it is parsed. Safe from any thread.
class PredictionService : public v1::PredictionService::WithRawCallbackMethod_Predict<
                              v1::PredictionService::WithRawCallbackMethod_TopK<
                                  v1::PredictionService::WithCallbackMethod_GetSchema<
                                      v1::PredictionService::Service>>> {
 public:
  // `models` must outlive the service, and all have been added.
  PredictionService(const ServedModels& models, const ServiceOptions& options);

  grpc::ServerUnaryReactor* Predict(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* TopK(grpc::CallbackServerContext* context,
                                 const grpc::ByteBuffer* request,
                                 grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetSchema(grpc::CallbackServerContext* context,
                                      const v1::GetSchemaRequest* request,
                                      v1::GetSchemaResponse* response) override;

  // Requests that named a model which is not served.
  uint64_t unknown_model_requests() const {
    return unknown_model_requests_.load(std::memory_order_relaxed);
  }
  const ConcurrencyLimiter& limiter() const { return limiter_; }
  RefusalCounts refusals() const { return refusals_.Counts(); }

 private:
  // The door: lets the call in or refuses it.
  grpc::ServerUnaryReactor* Receive(CallKind kind, grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* request, grpc::ByteBuffer* response);
  void Refuse(const PendingCall& call, Refusal why);

  // An admitted call, when its turn has come.
  void Answer(const PendingCall& call);

  // What Predict and TopK have in common: parses, finds the model, whose budget it returns in
  // `budget`, checks the request id, logs what failed. answer(model, call) does the rest.
  template <typename Pool, typename AnswerCall>
  absl::Status Serve(const PendingCall& pending, Pool* pool, std::chrono::nanoseconds* budget,
                     AnswerCall answer);

  // An answer that is about to be sent; `response` has its bytes.
  static void LogAnswer(const ServedModel& model, const PendingCall& pending,
                        const std::string& request_id);

  absl::Status PredictWith(ServedModel* model, const PendingCall& pending,
                           PredictCallPool::Call* call);
  absl::Status TopKWith(ServedModel* model, const PendingCall& pending, TopKCallPool::Call* call);

  // Takes over `asked` if it is fit to stand in logs and headers, else makes one up.
  absl::Status SetRequestId(const std::string& asked, std::string* request_id);
  void LogFailure(const absl::Status& status, const std::string& model,
                  const std::string& request_id, uint64_t version);

  const ServedModels& models_;
  const ServiceOptions options_;
  const std::chrono::nanoseconds longest_budget_;
  const std::string request_id_prefix_;
  std::atomic<uint64_t> next_request_number_{1};
  std::atomic<uint64_t> unknown_model_requests_{0};
  RefusalCounters refusals_;
  LogLimiter failure_log_limiter_;
  LogLimiter refusal_log_limiter_;
  PredictCallPool predict_calls_;
  TopKCallPool top_k_calls_;
  ConcurrencyLimiter limiter_;
  ScoringThreads threads_;  // last: they use all the others
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_PREDICTION_SERVICE_H_
