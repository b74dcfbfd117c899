// Checks responses against the weight files that they name, after the run.
#ifndef FMSERVE_TOOLS_LOAD_VERIFY_H_
#define FMSERVE_TOOLS_LOAD_VERIFY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/load/generator.h"
#include "tools/load/requests.h"

namespace fmserve::tools {

struct VerifyResult {
  uint64_t checked = 0;  // ok responses
  // Whose predictions are not, to the last bit, those of the version that they name, or fewer than
  // all candidates' without saying so.
  uint64_t wrong = 0;
  std::string first_wrong;  // what and when; empty when none is
};

// Scores every request with `<store>/<model>/<version>.fmw` of each version that answered it, and
// compares. A response that mixes two versions is wrong. `candidates` is that of PlanRequest.
// Errors as WeightFile::Open and PredictOffline.
absl::StatusOr<VerifyResult> VerifyResponses(const std::vector<LoadRecord>& records,
                                             const ClickLog& log, size_t candidates,
                                             const std::string& store, const std::string& model);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_LOAD_VERIFY_H_
