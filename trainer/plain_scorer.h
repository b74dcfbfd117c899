// Scores rows of a table in double precision, by a loop that shares nothing with the scorer of the
// server: what goldens are made with, and what a model that is not yet a file is measured with.
#ifndef FMSERVE_TRAINER_PLAIN_SCORER_H_
#define FMSERVE_TRAINER_PLAIN_SCORER_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/feature_schema.h"
#include "model/types.h"
#include "model/weight_file.h"
#include "trainer/examples.h"
#include "trainer/metrics.h"
#include "trainer/parameters.h"
#include "trainer/row_encoder.h"
#include "trainer/row_table.h"
#include "trainer/schema_yaml.h"

namespace fmserve::trainer {

// One thread.
class PlainScorer {
 public:
  // The rows as a file of this quantization holds them; a field matrix of the table is of this
  // schema. All must outlive the scorer.
  PlainScorer(const RowTable& table, const model::FeatureSchema& schema,
              model::Quantization quantization)
      : table_(table), schema_(schema), quantization_(quantization), encoder_(schema) {
    gathered_.field_matrix = table.field_matrix();
  }

  // Before calibration and link. One cell per field of the schema. InvalidArgument names field and
  // value, or says which row does not fit the quantization.
  absl::StatusOr<double> Score(std::span<const std::string_view> cells);

 private:
  absl::Status Gather(uint64_t key, uint8_t field, float x);

  const RowTable& table_;
  const model::FeatureSchema& schema_;
  const model::Quantization quantization_;
  RowEncoder encoder_;
  FeatureRow row_;
  std::vector<std::byte> encoded_;
  Parameters gathered_;  // of the features of one row of the table
  std::vector<Entry> entries_;
  std::vector<uint8_t> fields_;  // of entries_
};

// Predicts the labelled rows at `path`. `info`: task, link and calibration. Errors of RowReader and
// PlainScorer, naming file and line.
absl::StatusOr<Metrics> MeasureTable(PlainScorer& scorer, const model::WeightInfo& info,
                                     const std::string& path, const TrainingSchema& layout);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_PLAIN_SCORER_H_
