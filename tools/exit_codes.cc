#include "tools/exit_codes.h"

#include <iostream>

namespace fmserve::tools {

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kDone;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kFailedPrecondition:
      return kBadInput;
    default:
      return kFailed;
  }
}

ExitCode Fail(std::string_view command, const absl::Status& status) {
  std::cerr << "fm " << command << ": " << status.message() << "\n";
  return ExitCodeOf(status);
}

}  // namespace fmserve::tools
