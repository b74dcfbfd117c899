// Does an imported model predict what the tool predicted that it comes from?
#ifndef FMSERVE_TRAINER_IMPORT_PARITY_H_
#define FMSERVE_TRAINER_IMPORT_PARITY_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "trainer/import/answers.h"
#include "trainer/import/imported_rows.h"
#include "trainer/plain_scorer.h"
#include "trainer/schema_yaml.h"

namespace fmserve::trainer {

struct ParityInput {
  std::string data;                 // rows; labels may be missing
  std::string predictions;          // of the tool: a line per row, of several words the last counts
  bool scores = false;              // they are scores, before the link
  std::optional<double> norm = {};  // of ImportAnswers, to look for rows that have another
};

struct ParityReport {
  uint64_t rows = 0;
  double max_difference = 0.0;
  double mean_difference = 0.0;
  uint64_t worst_line = 0;  // of the data, where the difference is largest
  double worst_ours = 0.0;
  double worst_theirs = 0.0;
  uint64_t rows_of_other_norm =
      0;  // whose sum of x^2 is not the norm: xLearn scales them otherwise
};

// By the plain scorer: `scorer` is one of `rows`, `layout` how the data are laid out. NotFound and
// InvalidArgument name file and line: what cannot be read, is not a finite number, or that there
// are more rows than predictions or fewer, or none.
absl::StatusOr<ParityReport> CheckParity(PlainScorer& scorer, const ImportedRows& rows,
                                         const Prediction& prediction, const TrainingSchema& layout,
                                         const ParityInput& input);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_IMPORT_PARITY_H_
