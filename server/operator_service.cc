#include "server/operator_service.h"

#include <chrono>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "model/text.h"
#include "server/grpc_util.h"
#include "server/log.h"
#include "server/status_message.h"

namespace fmserve::server {
namespace {

using loader::ModelLoader;

constexpr size_t kMaxLoggedRequestBytes = 1200;  // the longest reason fits
constexpr uint32_t kDefaultHistoryVersions = 20;
constexpr uint32_t kMaxHistoryVersions = 1000;

// For the history: who a peer says it is when TLS has proved it, else where it calls from.
std::string Operator(const grpc::ServerContext& context) {
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  if (auth != nullptr && auth->IsPeerAuthenticated() && !auth->GetPeerIdentity().empty()) {
    const grpc::string_ref identity = auth->GetPeerIdentity().front();
    return absl::StrCat("operator ", absl::string_view(identity.data(), identity.size()));
  }
  return absl::StrCat("operator ", context.peer());
}

std::chrono::steady_clock::time_point Deadline(const grpc::ServerContext& context) {
  return std::chrono::steady_clock::now() + TimeLeft(context);
}

// Finds the model of `request`, pulls the lever, logs who pulled it and answers with the model's
// new state.
template <typename Request, typename Response, typename Lever>
grpc::Status Pull(absl::string_view name, const ServedModels& models,
                  const grpc::ServerContext& context, const Request& request, Response* response,
                  Lever lever) {
  const ServedModel* model = models.Find(request.model());
  const std::string asked = request.ShortDebugString();
  absl::Status status =
      model == nullptr ? models.UnknownModelError(request.model()) : lever(*model->loader);
  Log(status.ok() ? LogLevel::kInfo : LogLevel::kWarning, "operator_call",
      {{"call", name},
       {"model", model == nullptr ? model::Quote(request.model()) : model->name},
       {"peer", context.peer()},
       {"request", absl::string_view(asked).substr(0, kMaxLoggedRequestBytes)},
       {"code", absl::StatusCodeToString(status.code())},
       {"message", status.message()}});
  if (status.ok()) SetModel(*model, model == models.default_model(), response->mutable_model());
  return ToGrpcStatus(status);
}

}  // namespace

grpc::Status OperatorService::ListModels(grpc::ServerContext* /*context*/,
                                         const v1::ListModelsRequest* /*request*/,
                                         v1::ListModelsResponse* response) {
  for (const auto& model : models_.all()) {
    SetModel(*model, model.get() == models_.default_model(), response->add_models());
  }
  return grpc::Status::OK;
}

grpc::Status OperatorService::ListVersions(grpc::ServerContext* /*context*/,
                                           const v1::ListVersionsRequest* request,
                                           v1::ListVersionsResponse* response) {
  const ServedModel* model = models_.Find(request->model());
  if (model == nullptr) return ToGrpcStatus(models_.UnknownModelError(request->model()));
  for (const loader::VersionStatus& version : model->loader->ListVersions()) {
    SetVersion(version, response->add_versions());
  }
  for (const loader::VersionStatus& version :
       model->loader->ListVersions(loader::Artifact::kCatalogue)) {
    SetVersion(version, response->add_catalogue_versions());
  }
  return grpc::Status::OK;
}

grpc::Status OperatorService::Reload(grpc::ServerContext* context, const v1::ReloadRequest* request,
                                     v1::ReloadResponse* response) {
  return Pull("reload", models_, *context, *request, response,
              [&](ModelLoader& loader) { return loader.Reload(Deadline(*context)); });
}

grpc::Status OperatorService::Rollback(grpc::ServerContext* context,
                                       const v1::RollbackRequest* request,
                                       v1::RollbackResponse* response) {
  return Pull("rollback", models_, *context, *request, response,
              [&](ModelLoader& loader) { return loader.Rollback(Operator(*context)); });
}

grpc::Status OperatorService::Pin(grpc::ServerContext* context, const v1::PinRequest* request,
                                  v1::PinResponse* response) {
  return Pull("pin", models_, *context, *request, response, [&](ModelLoader& loader) {
    return loader.Pin(request->version(), Deadline(*context), Operator(*context));
  });
}

grpc::Status OperatorService::Unpin(grpc::ServerContext* context, const v1::UnpinRequest* request,
                                    v1::UnpinResponse* response) {
  return Pull("unpin", models_, *context, *request, response,
              [&](ModelLoader& loader) { return loader.Unpin(Operator(*context)); });
}

grpc::Status OperatorService::Approve(grpc::ServerContext* context,
                                      const v1::ApproveRequest* request,
                                      v1::ApproveResponse* response) {
  return Pull("approve", models_, *context, *request, response, [&](ModelLoader& loader) {
    return loader.Approve(request->version(), Deadline(*context), Operator(*context));
  });
}

grpc::Status OperatorService::Reject(grpc::ServerContext* context, const v1::RejectRequest* request,
                                     v1::RejectResponse* response) {
  return Pull("reject", models_, *context, *request, response, [&](ModelLoader& loader) {
    return loader.Reject(request->version(), request->reason(), Operator(*context));
  });
}

grpc::Status OperatorService::GetGateReport(grpc::ServerContext* /*context*/,
                                            const v1::GetGateReportRequest* request,
                                            v1::GetGateReportResponse* response) {
  const ServedModel* model = models_.Find(request->model());
  if (model == nullptr) return ToGrpcStatus(models_.UnknownModelError(request->model()));
  const absl::StatusOr<loader::GateReport> report =
      model->loader->GetGateReport(request->version());
  if (report.ok()) SetGateReport(*report, response->mutable_report());
  return ToGrpcStatus(report.status());
}

grpc::Status OperatorService::ListHistory(grpc::ServerContext* /*context*/,
                                          const v1::ListHistoryRequest* request,
                                          v1::ListHistoryResponse* response) {
  const ServedModel* model = models_.Find(request->model());
  if (model == nullptr) return ToGrpcStatus(models_.UnknownModelError(request->model()));
  if (request->limit() > kMaxHistoryVersions) {
    return ToGrpcStatus(absl::InvalidArgumentError(absl::StrCat(
        "limit: ", request->limit(), " versions; at most ", kMaxHistoryVersions, " are allowed")));
  }
  const uint32_t limit = request->limit() == 0 ? kDefaultHistoryVersions : request->limit();
  for (const loader::VersionHistory& history :
       model->loader->GetHistory(limit, request->version())) {
    SetVersionHistory(history, response->add_versions());
  }
  return grpc::Status::OK;
}

}  // namespace fmserve::server
