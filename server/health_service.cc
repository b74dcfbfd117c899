#include "server/health_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "fmserve/v1/operator.grpc.pb.h"
#include "fmserve/v1/prediction.grpc.pb.h"

namespace fmserve::server {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// One Watch stream; deletes itself when gRPC is done with it. Its mutex comes after the service's.
class HealthService::Watcher : public grpc::ServerWriteReactor<HealthCheckResponse> {
 public:
  Watcher(HealthService* service, std::string name) : service_(service), name_(std::move(name)) {}

  // Sends the state if it has changed, and ends a stream that has said all.
  void Update() {
    const std::lock_guard lock(mutex_);
    UpdateLocked();
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (ok) {
      UpdateLocked();
    } else {
      EndLocked({grpc::StatusCode::CANCELLED, "the client is gone"});
    }
  }

  void OnCancel() override {
    const std::lock_guard lock(mutex_);
    EndLocked({grpc::StatusCode::CANCELLED, "the client is gone"});
  }

  void OnDone() override {
    service()->Remove(this);
    delete this;
  }

 private:
  void UpdateLocked() {
    if (writing_ || finished_) return;
    const Status status = service_->StatusOf(name_);
    if (status != response_.status()) {
      response_.set_status(status);
      writing_ = true;
      StartWrite(&response_);
    } else if (service_->draining()) {
      EndLocked({grpc::StatusCode::UNAVAILABLE, "the server drains"});
    }
  }

  void EndLocked(const grpc::Status& status) {
    if (!std::exchange(finished_, true)) Finish(status);
  }

  HealthService* service() {
    const std::lock_guard lock(mutex_);
    return service_;
  }

  // Guards everything, constants too: that gRPC calls back after the constructor is nothing that
  // ThreadSanitizer sees.
  std::mutex mutex_;
  HealthService* service_;
  const std::string name_;
  HealthCheckResponse response_;  // the state sent last; UNKNOWN: none
  bool writing_ = false;
  bool finished_ = false;
};

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* context,
                                               const HealthCheckRequest* request,
                                               HealthCheckResponse* response) {
  response->set_status(StatusOf(request->service()));
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (response->status() == HealthCheckResponse::SERVICE_UNKNOWN) {
    reactor->Finish(
        {grpc::StatusCode::NOT_FOUND, "service: neither a model nor a service of this server"});
  } else {
    reactor->Finish(grpc::Status::OK);
  }
  return reactor;
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(
    grpc::CallbackServerContext* /*context*/, const HealthCheckRequest* request) {
  auto* watcher = new Watcher(this, request->service());
  const std::lock_guard lock(mutex_);
  watchers_.insert(watcher);
  watcher->Update();
  return watcher;
}

void HealthService::Update() {
  const std::lock_guard lock(mutex_);
  for (Watcher* watcher : watchers_) watcher->Update();
}

void HealthService::Drain() {
  draining_ = true;
  Update();
}

std::string HealthService::NotReadyReason() const {
  if (draining()) return "draining";
  const std::string waiting = models_.NotServing();
  return waiting.empty() ? "" : absl::StrCat("no weights yet: ", waiting);
}

void HealthService::Remove(Watcher* watcher) {
  const std::lock_guard lock(mutex_);
  watchers_.erase(watcher);
}

HealthService::Status HealthService::StatusOf(const std::string& name) const {
  bool serves = false;
  if (name == v1::OperatorService::service_full_name()) {
    serves = true;
  } else if (name.empty() || name == v1::PredictionService::service_full_name()) {
    serves = models_.NotServing().empty();
  } else if (const ServedModel* model = models_.Find(name); model != nullptr) {
    serves = model->Serves();
  } else {
    return HealthCheckResponse::SERVICE_UNKNOWN;
  }
  return serves && !draining_ ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

}  // namespace fmserve::server
