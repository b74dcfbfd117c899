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
  grpc::ServerUnaryReactor* TopK(grpc::CallbackServerContext* context,
                                 const v1::TopKRequest* request,
                                 v1::TopKResponse* response) override;
  grpc::ServerUnaryReactor* GetSchema(grpc::CallbackServerContext* context,
                                      const v1::GetSchemaRequest* request,
                                      v1::GetSchemaResponse* response) override;

  // Requests that named a model which is not served.
  uint64_t unknown_model_requests() const {
    return unknown_model_requests_.load(std::memory_order_relaxed);
  }

 private:
  // What Predict and TopK have in common: finds the model, checks the request id, logs what failed.
  // answer(model) does the rest.
  template <typename Pool, typename Request, typename Response, typename Answer>
  grpc::ServerUnaryReactor* Serve(grpc::CallbackServerContext* context, const Request& request,
                                  Response* response, Answer answer);

  absl::Status PredictWith(ServedModel* model, const grpc::CallbackServerContext& context,
                           const v1::PredictRequest& request, PredictScratch* scratch,
                           v1::PredictResponse* response);
  absl::Status TopKWith(ServedModel* model, const grpc::CallbackServerContext& context,
                        const v1::TopKRequest& request, TopKScratch* scratch,
                        v1::TopKResponse* response);

  // Takes over `asked` if it is fit to stand in logs and headers, else makes one up.
  absl::Status SetRequestId(const std::string& asked, std::string* request_id);
  void LogFailure(const absl::Status& status, const std::string& model,
                  const std::string& request_id, uint64_t version);

  const ServedModels& models_;
  const RequestLimits limits_;
  const std::string request_id_prefix_;
  std::atomic<uint64_t> next_request_number_{1};
  std::atomic<uint64_t> unknown_model_requests_{0};
  LogLimiter failure_log_limiter_;
  PredictCallPool predict_calls_;
  TopKCallPool top_k_calls_;
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_PREDICTION_SERVICE_H_
