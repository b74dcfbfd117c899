#include "tools/operator_client.h"

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace fmserve::tools {

using fmserve::v1::Model;
using fmserve::v1::OperatorService;

absl::Status FromGrpc(const grpc::Status& status, const std::string& target) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  if (code == absl::StatusCode::kUnavailable) {
    return absl::Status(code,
                        absl::StrCat("no answer from ", target, ": ", status.error_message()));
  }
  return absl::Status(code, status.error_message());
}

OperatorClient::OperatorClient(const std::string& target, std::chrono::milliseconds timeout)
    : target_(target),
      timeout_(timeout),
      stub_(OperatorService::NewStub(
          grpc::CreateChannel(target, grpc::InsecureChannelCredentials()))) {}

template <typename Request, typename Response>
absl::StatusOr<Response> OperatorClient::Call(Method<Request, Response> method,
                                              const Request& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + timeout_);
  Response response;
  const grpc::Status status = (stub_.get()->*method)(&context, request, &response);
  if (!status.ok()) return FromGrpc(status, target_);
  return response;
}

template <typename Request, typename Response>
absl::StatusOr<Model> OperatorClient::CallOnModel(Method<Request, Response> method, Request request,
                                                  const std::string& model) {
  request.set_model(model);
  absl::StatusOr<Response> response = Call(method, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_model());
}

absl::StatusOr<fmserve::v1::ListModelsResponse> OperatorClient::ListModels() {
  return Call(&OperatorService::Stub::ListModels, fmserve::v1::ListModelsRequest());
}

absl::StatusOr<fmserve::v1::ListVersionsResponse> OperatorClient::ListVersions(
    const std::string& model) {
  fmserve::v1::ListVersionsRequest request;
  request.set_model(model);
  return Call(&OperatorService::Stub::ListVersions, request);
}

absl::StatusOr<Model> OperatorClient::Reload(const std::string& model) {
  return CallOnModel(&OperatorService::Stub::Reload, fmserve::v1::ReloadRequest(), model);
}

absl::StatusOr<Model> OperatorClient::Rollback(const std::string& model) {
  return CallOnModel(&OperatorService::Stub::Rollback, fmserve::v1::RollbackRequest(), model);
}

absl::StatusOr<Model> OperatorClient::Pin(const std::string& model, uint64_t version) {
  fmserve::v1::PinRequest request;
  request.set_version(version);
  return CallOnModel(&OperatorService::Stub::Pin, std::move(request), model);
}

absl::StatusOr<Model> OperatorClient::Unpin(const std::string& model) {
  return CallOnModel(&OperatorService::Stub::Unpin, fmserve::v1::UnpinRequest(), model);
}

absl::StatusOr<Model> OperatorClient::Approve(const std::string& model, uint64_t version) {
  fmserve::v1::ApproveRequest request;
  request.set_version(version);
  return CallOnModel(&OperatorService::Stub::Approve, std::move(request), model);
}

absl::StatusOr<Model> OperatorClient::Reject(const std::string& model, uint64_t version,
                                             const std::string& reason) {
  fmserve::v1::RejectRequest request;
  request.set_version(version);
  request.set_reason(reason);
  return CallOnModel(&OperatorService::Stub::Reject, std::move(request), model);
}

absl::StatusOr<fmserve::v1::ListHistoryResponse> OperatorClient::ListHistory(
    const std::string& model, uint32_t limit, uint64_t version) {
  fmserve::v1::ListHistoryRequest request;
  request.set_model(model);
  request.set_limit(limit);
  request.set_version(version);
  return Call(&OperatorService::Stub::ListHistory, request);
}

absl::StatusOr<fmserve::v1::GateReport> OperatorClient::GetGateReport(const std::string& model,
                                                                      uint64_t version) {
  fmserve::v1::GetGateReportRequest request;
  request.set_model(model);
  request.set_version(version);
  absl::StatusOr<fmserve::v1::GetGateReportResponse> response =
      Call(&OperatorService::Stub::GetGateReport, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_report());
}

}  // namespace fmserve::tools
