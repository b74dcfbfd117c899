// From files to what a report says: reads, scores and computes.
#ifndef FMSERVE_TOOLS_REPORT_COLLECT_H_
#define FMSERVE_TOOLS_REPORT_COLLECT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "tools/report/report_data.h"

namespace fmserve::tools {

struct ReportOptions {
  std::string model;
  std::string data;
  std::string schema;          // "": the one in the model
  std::string compare;         // another model; "": none
  std::string compare_schema;  // "": the one in that model
  std::string by;              // a field; "": none
  std::string curves;          // what fm train --json printed; "": the model's metadata tell
  uint64_t rows_limit = 1'000'000;
  uint64_t seed = 1;
};

// Reads the rows once, both models side by side. Time beyond that and memory are bounded by
// rows_limit. InvalidArgument: models of different tasks, labels that the schemas read differently,
// a field that the model does not have, a prediction that is no finite number, no rows; errors of
// OpenTableModel, RowReader and ReadLearningCurve. Progress goes to standard error.
absl::StatusOr<ReportData> CollectReport(const ReportOptions& options);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_REPORT_COLLECT_H_
