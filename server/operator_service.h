// OperatorService: what serves, and the levers.
#ifndef FMSERVE_SERVER_OPERATOR_SERVICE_H_
#define FMSERVE_SERVER_OPERATOR_SERVICE_H_

#include "fmserve/v1/operator.grpc.pb.h"
#include "server/served_models.h"

namespace fmserve::server {

// gRPC's synchronous API, whose calls have threads of their own: an operator may wait for a
// download, the threads that score may not. Safe from any thread.
class OperatorService : public v1::OperatorService::Service {
 public:
  // `models` must outlive the service.
  explicit OperatorService(const ServedModels& models) : models_(models) {}

  grpc::Status ListModels(grpc::ServerContext* context, const v1::ListModelsRequest* request,
                          v1::ListModelsResponse* response) override;
  grpc::Status ListVersions(grpc::ServerContext* context, const v1::ListVersionsRequest* request,
                            v1::ListVersionsResponse* response) override;
  grpc::Status Reload(grpc::ServerContext* context, const v1::ReloadRequest* request,
                      v1::ReloadResponse* response) override;
  grpc::Status Rollback(grpc::ServerContext* context, const v1::RollbackRequest* request,
                        v1::RollbackResponse* response) override;
  grpc::Status Pin(grpc::ServerContext* context, const v1::PinRequest* request,
                   v1::PinResponse* response) override;
  grpc::Status Unpin(grpc::ServerContext* context, const v1::UnpinRequest* request,
                     v1::UnpinResponse* response) override;
  grpc::Status Approve(grpc::ServerContext* context, const v1::ApproveRequest* request,
                       v1::ApproveResponse* response) override;
  grpc::Status Reject(grpc::ServerContext* context, const v1::RejectRequest* request,
                      v1::RejectResponse* response) override;
  grpc::Status GetGateReport(grpc::ServerContext* context, const v1::GetGateReportRequest* request,
                             v1::GetGateReportResponse* response) override;
  grpc::Status ListHistory(grpc::ServerContext* context, const v1::ListHistoryRequest* request,
                           v1::ListHistoryResponse* response) override;

 private:
  const ServedModels& models_;
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_OPERATOR_SERVICE_H_
