// Where our types meet gRPC's.
#ifndef FMSERVE_SERVER_GRPC_UTIL_H_
#define FMSERVE_SERVER_GRPC_UTIL_H_

#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"

namespace fmserve::server {

// The codes are the same by construction.
inline grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

// What the client's gRPC deadline leaves, also below 0; a day when it set none.
template <typename Context>
std::chrono::nanoseconds TimeLeft(const Context& context) {
  constexpr std::chrono::nanoseconds kNoLimit = std::chrono::hours(24);
  const auto now = std::chrono::system_clock::now();
  const auto deadline = context.deadline();
  return deadline > now + kNoLimit ? kNoLimit : deadline - now;
}

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_GRPC_UTIL_H_
