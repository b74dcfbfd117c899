// PredictionService over gRPC's callback API. Included by server.cc alone: gRPC's headers are slow
// to compile.
#ifndef FMSERVE_SERVER_PREDICTION_SERVICE_H_
#define FMSERVE_SERVER_PREDICTION_SERVICE_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "fmserve/v1/prediction.grpc.pb.h"
#include "server/call_pool.h"
#include "server/log.h"
#include "server/predictor.h"
#include "server/served_models.h"

namespace fmserve::server {

// Scores in gRPC's own threads: a prediction never waits for anything. Safe from any thread.
class PredictionService : public v1::PredictionService::CallbackService {
 public:
  // `models` must outlive the service.
  PredictionService(const ServedModels& models, const RequestLimits& limits);

  grpc::ServerUnaryReactor* Predict(grpc::CallbackServerContext* context,
                                    const v1::PredictRequest* request,
                                    v1::PredictResponse* response) override;
  grpc::ServerUnaryReactor* GetSchema(grpc::CallbackServerContext* context,
                                      const v1::GetSchemaRequest* request,
                                      v1::GetSchemaResponse* response) override;

  // Requests that named a model which is not served.
  uint64_t unknown_model_requests() const {
    return unknown_model_requests_.load(std::memory_order_relaxed);
  }

 private:
  absl::Status PredictWith(ServedModel* model, const grpc::CallbackServerContext& context,
                           const v1::PredictRequest& request, PredictScratch* scratch,
                           v1::PredictResponse* response);
  absl::Status SetRequestId(const v1::PredictRequest& request, v1::PredictResponse* response);
  void LogFailure(const absl::Status& status, const v1::PredictRequest& request,
                  const v1::PredictResponse& response);

  const ServedModels& models_;
  const RequestLimits limits_;
  const std::string request_id_prefix_;
  std::atomic<uint64_t> next_request_number_{1};
  std::atomic<uint64_t> unknown_model_requests_{0};
  LogLimiter failure_log_limiter_;
  CallPool calls_;
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_PREDICTION_SERVICE_H_
