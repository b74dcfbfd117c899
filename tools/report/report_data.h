// What a page says: figures and names, with nothing left to open or compute.
#ifndef FMSERVE_TOOLS_REPORT_REPORT_DATA_H_
#define FMSERVE_TOOLS_REPORT_REPORT_DATA_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/types.h"
#include "tools/report/learning_curve.h"
#include "trainer/report/evaluation.h"

namespace fmserve::tools {

// Names and paths are as they were found: pages escape them.
struct ReportedModel {
  std::string path;
  std::vector<std::pair<std::string, std::string>> facts;  // name and value
  LearningCurve curve;
};

struct ReportedImportance {
  std::string field;
  double mean = 0.0;
  double low = 0.0;
  double high = 0.0;
};

struct ReportedWeight {
  std::string feature;
  uint64_t count = 0;
  double w = 0.0;
};

struct ReportedInteraction {
  std::string first;
  std::string second;
  uint64_t rows_first = 0;
  uint64_t rows_second = 0;
  double interaction = 0.0;
};

struct ReportData {
  model::Task task = model::Task::kBinary;
  std::string data_path;
  uint64_t rows_read = 0;
  size_t rows_used = 0;
  std::string group_field;  // "": none
  ReportedModel first;
  std::optional<ReportedModel> second;
  trainer::Evaluation evaluation;
  size_t importance_rows = 0;
  size_t importance_shuffles = 0;
  std::vector<ReportedImportance> importance;
  uint64_t weights_min_count = 0;  // 0: the file has no counts
  std::vector<ReportedWeight> weights;
  size_t interaction_features = 0;
  std::vector<ReportedInteraction> interactions;
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_REPORT_REPORT_DATA_H_
