// What a model loses when it cannot see a field.
#ifndef FMSERVE_TRAINER_REPORT_IMPORTANCE_H_
#define FMSERVE_TRAINER_REPORT_IMPORTANCE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer/report/scored_sample.h"
#include "trainer/table_scorer.h"

namespace fmserve::trainer {

struct ImportanceOptions {
  size_t repeats = 3;               // shuffles of each field
  size_t max_scorings = 1'500'000;  // rows are left out, from the end, to keep to it
  uint64_t seed = 1;
};

struct FieldImportance {
  size_t field = 0;
  double mean = 0.0;  // rise of the loss over the shuffles
  double low = 0.0;   // the smallest and the largest of them
  double high = 0.0;
};

struct ImportanceResult {
  size_t rows = 0;                      // that were scored
  double loss = 0.0;                    // of these rows as they are: logloss, or RMSE
  std::vector<FieldImportance> fields;  // the most important first
};

// Permutation importance (Breiman 2001; Fisher, Rudin and Dominici 2019): the loss when the column
// of a field is shuffled between the rows, less the loss without that. All fields of the schema, or
// none when there are fewer than two rows. Deterministic. Errors of TableScorer::Score.
absl::StatusOr<ImportanceResult> ComputeImportance(TableScorer& scorer, const RawExamples& examples,
                                                   const ImportanceOptions& options);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_REPORT_IMPORTANCE_H_
