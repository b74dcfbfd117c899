// Writes a click log whose clicks come from a hidden factorization machine, so that the best
// possible model is known.
#ifndef FMSERVE_TOOLS_GENERATE_CLICK_LOG_H_
#define FMSERVE_TOOLS_GENERATE_CLICK_LOG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer/metrics.h"

namespace fmserve::tools {

struct ClickLogOptions {
  uint64_t rows = 1'000'000;  // of train, valid and test together; at least 10
  uint64_t seed = 1;
  double ctr = 0.02;  // of all rows, about; above 0 and below 1
  std::string dir;    // created when it is missing; files of the same names are replaced
};

struct ClickLogSplit {
  std::string name;  // "train", "valid", "test"
  std::string path;
  uint64_t clicks = 0;
  trainer::Metrics
      hidden;  // of the hidden model's own probabilities: no model can be better but by luck
};

// Writes schema.yaml and train.tsv (80 % of the rows), valid.tsv and test.tsv (10 % each). The same
// options give the same bytes.
absl::StatusOr<std::vector<ClickLogSplit>> WriteClickLog(const ClickLogOptions& options);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_GENERATE_CLICK_LOG_H_
