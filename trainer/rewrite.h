// From rows to a weight file that is made of others: quantized, pruned, averaged.
#ifndef FMSERVE_TRAINER_REWRITE_H_
#define FMSERVE_TRAINER_REWRITE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/golden.h"
#include "model/weight_writer.h"
#include "trainer/row_table.h"

namespace fmserve::trainer {

// A file that another one is made of.
struct Parent {
  std::string sha256;  // 64 hexadecimal digits
  model::WeightInfo info;
};

// What made a file out of others; kept in its metadata as lineage.<n>.operation, .options and
// .parent.<i>.
struct Lineage {
  std::string operation;  // "quantize", "prune", "average"
  std::string options;    // as on the command line
  std::vector<Parent> parents;
};

// `metadata` of a parent without what the operation makes untrue (metrics), and with one more link
// of lineage.
model::Metadata Inherit(const model::Metadata& metadata, const Lineage& lineage);

// What a new file takes over from the one that it is made of: model name, task, link, calibration,
// k, w0, schema, field matrix, training rows, and names if it has them; version 0.
model::WeightFileOptions InheritOptions(const model::WeightFile& parent);

bool HasNames(const model::WeightFile& file);

struct RewriteReport {
  uint64_t rows = 0;
  size_t goldens = 0;
  double max_golden_change = 0.0;  // of |new score - old score|
};

// Writes the rows, the w0 and the field matrix of `table`. The goldens keep their cells and get the
// scores of the rows as they are stored. Errors of WeightWriter, before anything is written; names
// the feature that does not fit the quantization.
absl::StatusOr<RewriteReport> Rewrite(const RowTable& table,
                                      const model::WeightFileOptions& options,
                                      std::vector<model::Golden> goldens, model::Metadata metadata,
                                      const std::string& path);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_REWRITE_H_
