// What `fm` returns to a shell.
#ifndef FMSERVE_TOOLS_EXIT_CODES_H_
#define FMSERVE_TOOLS_EXIT_CODES_H_

#include <string_view>

#include "absl/status/status.h"

namespace fmserve::tools {

enum ExitCode : int {
  kDone = 0,
  kFailed = 1,      // the operation failed: no space, no connection …
  kWrongUsage = 2,  // the command line is wrong
  kBadInput = 3,    // input data or an input file is wrong or not there
};

// The exit code that an error of a library over local files amounts to: kBadInput for
// InvalidArgument, DataLoss, NotFound, Unimplemented (a newer format) and FailedPrecondition,
// kFailed for others.
ExitCode ExitCodeOf(const absl::Status& status);

// Prints "fm COMMAND: message" to standard error and returns ExitCodeOf(status). `status` is not
// OK.
ExitCode Fail(std::string_view command, const absl::Status& status);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_EXIT_CODES_H_
