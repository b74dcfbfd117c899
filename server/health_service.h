// grpc.health.v1, and what /readyz says: whether models and services serve.
#ifndef FMSERVE_SERVER_HEALTH_SERVICE_H_
#define FMSERVE_SERVER_HEALTH_SERVICE_H_

#include <atomic>
#include <mutex>
#include <string>
#include <unordered_set>

#include "grpc/health/v1/health.grpc.pb.h"
#include "server/served_models.h"

namespace fmserve::server {

// Names: each model; "" and fmserve.v1.PredictionService, which serve when every model does;
// fmserve.v1.OperatorService, which serves until the server drains. gRPC's own health service is
// not used because its Watch streams last until Server::Shutdown has waited for them in vain. Safe
// from any thread.
class HealthService : public grpc::health::v1::Health::CallbackService {
 public:
  // `models` must outlive the service.
  explicit HealthService(const ServedModels& models) : models_(models) {}

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request) override;

  // A model may have begun to serve: tells those who watch.
  void Update();

  // Nothing serves from now on; streams end after they have said so.
  void Drain();

  // "" when every model serves and the server does not drain, else why not.
  std::string NotReadyReason() const;
  bool draining() const { return draining_; }

 private:
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;
  class Watcher;

  Status StatusOf(const std::string& name) const;
  void Remove(Watcher* watcher);

  const ServedModels& models_;
  std::atomic<bool> draining_ = false;
  std::mutex mutex_;
  std::unordered_set<Watcher*> watchers_;
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_HEALTH_SERVICE_H_
