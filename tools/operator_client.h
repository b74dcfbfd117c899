// The operator service of a server, as statuses and messages.
#ifndef FMSERVE_TOOLS_OPERATOR_CLIENT_H_
#define FMSERVE_TOOLS_OPERATOR_CLIENT_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmserve/v1/operator.grpc.pb.h"

namespace fmserve::tools {

// Errors are those of the server, plus Unavailable when none answers at the target, which the
// message names.
class OperatorClient {
 public:
  // `target` is HOST:PORT or unix:PATH. `timeout` is that of each call.
  OperatorClient(const std::string& target, std::chrono::milliseconds timeout);

  absl::StatusOr<fmserve::v1::ListModelsResponse> ListModels();
  absl::StatusOr<fmserve::v1::ListVersionsResponse> ListVersions(const std::string& model);
  absl::StatusOr<fmserve::v1::Model> Reload(const std::string& model);
  absl::StatusOr<fmserve::v1::Model> Rollback(const std::string& model);
  absl::StatusOr<fmserve::v1::Model> Pin(const std::string& model, uint64_t version);
  absl::StatusOr<fmserve::v1::Model> Unpin(const std::string& model);
  absl::StatusOr<fmserve::v1::Model> Approve(const std::string& model, uint64_t version);
  absl::StatusOr<fmserve::v1::Model> Reject(const std::string& model, uint64_t version,
                                            const std::string& reason);
  // At most `limit` versions (0: the server's default); of `version` alone unless that is 0.
  absl::StatusOr<fmserve::v1::ListHistoryResponse> ListHistory(const std::string& model,
                                                               uint32_t limit, uint64_t version);
  // `version` 0: that which is held, or was judged last.
  absl::StatusOr<fmserve::v1::GateReport> GetGateReport(const std::string& model, uint64_t version);

 private:
  template <typename Request, typename Response>
  using Method = grpc::Status (fmserve::v1::OperatorService::Stub::*)(grpc::ClientContext*,
                                                                      const Request&, Response*);

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(Method<Request, Response> method, const Request& request);
  template <typename Request, typename Response>
  absl::StatusOr<fmserve::v1::Model> CallOnModel(Method<Request, Response> method, Request request,
                                                 const std::string& model);

  std::string target_;
  std::chrono::milliseconds timeout_;
  std::unique_ptr<fmserve::v1::OperatorService::Stub> stub_;
};

// The same code with a message for people.
absl::Status FromGrpc(const grpc::Status& status, const std::string& target);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_OPERATOR_CLIENT_H_
