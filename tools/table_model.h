// A weight file together with what it takes to score tables with it.
#ifndef FMSERVE_TOOLS_TABLE_MODEL_H_
#define FMSERVE_TOOLS_TABLE_MODEL_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/weight_file.h"
#include "trainer/row_reader.h"
#include "trainer/schema_yaml.h"
#include "trainer/table_scorer.h"

namespace fmserve::tools {

struct TableModel {
  std::shared_ptr<const model::WeightFile> file;
  trainer::TrainingSchema schema;  // how tables are laid out
  std::unique_ptr<trainer::TableScorer> scorer;
};

// Opens the weight file. The layout of tables is read from the YAML schema at `schema_path`, or,
// when that is "", taken from the metadata of the file, where `fm train` leaves it. Errors of
// WeightFile::Open; InvalidArgument when the file has no layout or the schema is one of other
// features.
absl::StatusOr<TableModel> OpenTableModel(const std::string& path, const std::string& schema_path);

// How tables are laid out that the file is to score: what OpenTableModel takes. `path` is that of
// the file, for messages.
absl::StatusOr<trainer::TrainingSchema> ReadTableLayout(const model::WeightFile& file,
                                                        const std::string& path,
                                                        const std::string& schema_path);

// The metadata of that name, or "".
std::string_view FindMetadata(const model::WeightFile& file, std::string_view name);

// Scores the rows of the table in order and calls visit(row, score). Stops at the first error,
// which names file and line.
absl::Status ScoreTable(TableModel& table_model, const std::string& data_path,
                        trainer::Labels labels,
                        const std::function<void(const trainer::Row&, float score)>& visit);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TABLE_MODEL_H_
