#include "tools/table_model.h"

#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "trainer/row_files.h"

namespace fmserve::tools {
namespace {

absl::StatusOr<trainer::TrainingSchema> TableLayout(const model::WeightFile& file,
                                                    const std::string& path,
                                                    const std::string& schema_path) {
  if (!schema_path.empty()) return trainer::ReadSchemaYaml(schema_path);
  const std::string_view yaml = FindMetadata(file, trainer::kSchemaMetadataName);
  if (yaml.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, " does not tell how its tables are laid out; name a schema with --schema"));
  }
  return trainer::ParseSchemaYaml(yaml, absl::StrCat(path, ", schema in the metadata"));
}

}  // namespace

std::string_view FindMetadata(const model::WeightFile& file, std::string_view name) {
  for (const auto& [key, value] : file.metadata()) {
    if (key == name) return value;
  }
  return "";
}

absl::StatusOr<trainer::TrainingSchema> ReadTableLayout(const model::WeightFile& file,
                                                        const std::string& path,
                                                        const std::string& schema_path) {
  absl::StatusOr<trainer::TrainingSchema> schema = TableLayout(file, path, schema_path);
  if (!schema.ok()) return schema.status();
  const absl::Status same = file.schema().CompatibleWith(schema->features);
  if (same.ok() && file.schema().size() == schema->features.size()) return schema;
  return absl::InvalidArgumentError(
      absl::StrCat(schema_path.empty() ? path : schema_path,
                   ": the schema of the tables does not fit the model's: ",
                   same.ok() ? "it has fewer fields" : std::string(same.message())));
}

absl::StatusOr<TableModel> OpenTableModel(const std::string& path, const std::string& schema_path) {
  TableModel opened;
  absl::StatusOr<std::shared_ptr<const model::WeightFile>> file = model::WeightFile::Open(path);
  if (!file.ok()) return file.status();
  opened.file = *std::move(file);
  absl::StatusOr<trainer::TrainingSchema> schema = ReadTableLayout(*opened.file, path, schema_path);
  if (!schema.ok()) return schema.status();
  opened.schema = *std::move(schema);
  absl::StatusOr<std::unique_ptr<trainer::TableScorer>> scorer =
      trainer::TableScorer::Create(opened.file);
  if (!scorer.ok()) return scorer.status();
  opened.scorer = *std::move(scorer);
  return opened;
}

absl::Status ScoreTable(TableModel& table_model, const std::string& data_path,
                        trainer::Labels labels,
                        const std::function<void(const trainer::Row&, float score)>& visit) {
  absl::StatusOr<std::unique_ptr<trainer::RowReader>> reader =
      trainer::OpenRows(data_path, table_model.schema, labels);
  if (!reader.ok()) return reader.status();
  trainer::Row row;
  while (true) {
    const absl::StatusOr<bool> more = (*reader)->Next(&row);
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    const absl::StatusOr<float> score = table_model.scorer->Score(row.cells);
    if (!score.ok()) {
      return absl::Status(
          score.status().code(),
          absl::StrCat((*reader)->Where(), ": ", std::string(score.status().message())));
    }
    visit(row, *score);
  }
}

}  // namespace fmserve::tools
