// The YAML description of a data set: its fields, and what only reading and training need to know.
// docs/schema.md is the reference for those who write one.
#ifndef FMSERVE_TRAINER_SCHEMA_YAML_H_
#define FMSERVE_TRAINER_SCHEMA_YAML_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/feature_schema.h"
#include "model/types.h"

namespace fmserve::trainer {

enum class TableFormat : uint8_t { kTsv, kCsv, kLibsvm, kLibffm };

// Names as schemas spell them: "tsv", "csv", "libsvm", "libffm".
std::string_view Name(TableFormat format);

struct TrainingSchema {
  model::FeatureSchema features;
  model::Task task = model::Task::kBinary;
  std::optional<TableFormat> format;      // nothing: told by the name of the file
  std::string label_column;               // tsv and csv; empty: there is none
  std::string weight_column;              // the same; how much each row counts
  std::vector<std::string> columns;       // tsv and csv: the column of each field, all different
  std::optional<char> separator;          // between columns; nothing: tab (tsv), comma (csv)
  char list_separator = '|';              // between the values of a list, tsv and csv
  std::vector<size_t> fields_to_measure;  // standardise without mean and stddev: the trainer's task
  std::string yaml;                       // what it was parsed from
};

// The trainer keeps TrainingSchema::yaml in a weight file under this name of its metadata, so that
// other programs read the same tables.
inline constexpr std::string_view kSchemaMetadataName = "data.schema";

inline constexpr size_t kMaxSchemaBytes = size_t{1} << 20;

// InvalidArgument as "name:line: what is wrong": unknown or repeated keys, values out of range or
// of the wrong type, settings that do not fit the kind of the field or the format.
absl::StatusOr<TrainingSchema> ParseSchemaYaml(std::string_view yaml, std::string_view name);

// The same for a file; errors of the system name the path.
absl::StatusOr<TrainingSchema> ReadSchemaYaml(const std::string& path);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_SCHEMA_YAML_H_
