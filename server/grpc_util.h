// Where our types meet gRPC's.
#ifndef FMSERVE_SERVER_GRPC_UTIL_H_
#define FMSERVE_SERVER_GRPC_UTIL_H_

#include <grpc/support/time.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
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
  constexpr int64_t kNoLimitSeconds = 24 * 60 * 60;
  // In gRPC's own type: a deadline far in the future does not fit into a time_point.
  const gpr_timespec deadline = gpr_convert_clock_type(context.raw_deadline(), GPR_CLOCK_REALTIME);
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(GPR_CLOCK_REALTIME));
  return std::chrono::seconds(std::clamp(left.tv_sec, -kNoLimitSeconds, kNoLimitSeconds)) +
         std::chrono::nanoseconds(left.tv_sec < kNoLimitSeconds ? left.tv_nsec : 0);
}

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_GRPC_UTIL_H_
