// fm import: a weight file of a model that another tool trained.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "loader/sha256.h"
#include "model/mapped_file.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/import_options.h"
#include "tools/import_report.h"
#include "tools/json_output.h"
#include "tools/rewrite_command.h"
#include "trainer/import/answers.h"
#include "trainer/import/feature_map.h"
#include "trainer/import/import_goldens.h"
#include "trainer/import/imported_rows.h"
#include "trainer/import/parity.h"
#include "trainer/import/readers.h"
#include "trainer/rewrite.h"
#include "trainer/schema_yaml.h"

namespace fmserve::tools {
namespace {

struct SourceFile {
  trainer::ImportFormat format = trainer::ImportFormat::kLibfm;
  trainer::ImportedModel model;
  std::string sha256;
};

absl::Status InFile(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path, ": ", std::string(status.message())));
}

absl::StatusOr<SourceFile> ReadSource(const ImportArguments& arguments) {
  const absl::StatusOr<model::MappedFile> file = model::MappedFile::Open(arguments.file);
  if (!file.ok()) return file.status();
  const std::string_view bytes(reinterpret_cast<const char*>(file->bytes().data()),
                               file->bytes().size());
  SourceFile source;
  const auto format = arguments.format ? arguments.format : trainer::DetectFormat(bytes);
  if (!format) {
    return InFile(arguments.file,
                  absl::InvalidArgumentError("byte 0: begins like none of the formats that can be "
                                             "imported (fm import --help)"));
  }
  source.format = *format;
  absl::StatusOr<trainer::ImportedModel> model = trainer::ReadModel(*format, bytes);
  if (!model.ok()) {
    return InFile(absl::StrCat(arguments.file, ", as ", std::string(trainer::Name(*format))),
                  model.status());
  }
  source.model = *std::move(model);
  loader::Sha256 hash;
  hash.Update(file->bytes());
  source.sha256 = hash.HexDigest();
  return source;
}

absl::StatusOr<trainer::TrainingSchema> ReadSchema(const ImportArguments& arguments,
                                                   const trainer::ImportedModel& model,
                                                   model::Task task) {
  if (arguments.schema.empty()) {
    if (!arguments.map.empty() || trainer::NamesItsFeatures(model)) {
      return absl::InvalidArgumentError(
          "features that have fields need a schema of these fields: name one with --schema");
    }
    return trainer::ParseSchemaYaml(trainer::DefaultSchemaYaml(model, task), "default schema");
  }
  absl::StatusOr<trainer::TrainingSchema> schema = trainer::ReadSchemaYaml(arguments.schema);
  if (!schema.ok()) return schema;
  if (schema->task != task) {
    return absl::InvalidArgumentError(
        absl::StrCat(arguments.schema, ": the task is ", std::string(model::Name(schema->task)),
                     ", that of the model ", std::string(model::Name(task))));
  }
  if (!schema->fields_to_measure.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(arguments.schema, ": field '",
                     schema->features.field(schema->fields_to_measure.front()).name,
                     "' is standardised and needs the mean and stddev that it was trained with"));
  }
  return schema;
}

absl::StatusOr<trainer::FeatureMap> MapFeatures(const ImportArguments& arguments,
                                                const trainer::ImportedModel& model,
                                                const model::FeatureSchema& schema) {
  if (arguments.map.empty()) return trainer::MapBySchema(model, schema);
  if (trainer::NamesItsFeatures(model)) {
    return absl::InvalidArgumentError(
        "the file names field and value of each row itself: leave out --map");
  }
  return trainer::MapByFile(model, schema, arguments.map, arguments.drop_unmapped);
}

// How the file was made; what fm predict needs to read tables.
model::Metadata ImportMetadata(const ImportArguments& arguments, const SourceFile& source,
                               const trainer::ImportedRows& rows,
                               const trainer::TrainingSchema& schema) {
  const trainer::ImportAnswers& answers = arguments.answers;
  model::Metadata metadata = {{"import.format", std::string(trainer::Name(source.format))},
                              {"import.file", std::filesystem::path(arguments.file).filename()},
                              {"import.sha256", source.sha256},
                              {"import.rows", absl::StrCat(rows.model().rows())},
                              {"import.left_out", absl::StrCat(rows.map().left_out)}};
  if (answers.link == trainer::ImportLink::kProbit) metadata.emplace_back("import.link", "probit");
  if (answers.norm) metadata.emplace_back("import.norm", absl::StrCat(*answers.norm));
  for (const auto& [name, value] : rows.model().notes) {
    metadata.emplace_back(absl::StrCat("import.", name), value);
  }
  metadata.emplace_back(trainer::kSchemaMetadataName, schema.yaml);
  return metadata;
}

model::WeightFileOptions FileOptions(const ImportArguments& arguments,
                                     const trainer::Prediction& prediction,
                                     const model::FeatureSchema& schema, uint32_t k) {
  model::WeightFileOptions options;
  options.model_name = arguments.name;
  options.created_unix_us = static_cast<uint64_t>(absl::ToUnixMicros(absl::Now()));
  options.task = prediction.task;
  options.quantization = arguments.quantization;
  options.link = prediction.link;
  options.calibration = prediction.calibration;
  options.k = k;
  options.schema = schema;
  options.with_names = !arguments.no_names;
  return options;
}

absl::StatusOr<std::optional<trainer::ParityReport>> Check(const ImportArguments& arguments,
                                                           const trainer::ImportedRows& rows,
                                                           const trainer::Prediction& prediction,
                                                           const trainer::TrainingSchema& schema) {
  if (arguments.parity.predictions.empty()) return std::nullopt;
  trainer::PlainScorer scorer(rows, schema.features, arguments.quantization);
  trainer::ParityInput input = arguments.parity;
  input.norm = arguments.answers.norm;
  absl::StatusOr<trainer::ParityReport> report =
      trainer::CheckParity(scorer, rows, prediction, schema, input);
  if (!report.ok()) return report.status();
  if (arguments.max_difference && report->max_difference > *arguments.max_difference) {
    return absl::AbortedError(
        absl::StrCat("nothing is written, the parity is not good enough:\n", ParityText(*report)));
  }
  return *report;
}

// Everything after the questions: `source` has none left.
absl::StatusOr<ImportReport> Write(const ImportArguments& arguments, SourceFile source) {
  absl::StatusOr<trainer::Prediction> prediction = trainer::Settle(arguments.answers, source.model);
  if (!prediction.ok()) return prediction.status();
  const absl::StatusOr<trainer::TrainingSchema> schema =
      ReadSchema(arguments, source.model, prediction->task);
  if (!schema.ok()) return schema.status();
  absl::StatusOr<trainer::FeatureMap> map = MapFeatures(arguments, source.model, schema->features);
  if (!map.ok()) return map.status();
  const absl::StatusOr<std::unique_ptr<trainer::ImportedRows>> rows =
      trainer::ImportedRows::Create(std::move(source.model), *std::move(map), schema->features);
  if (!rows.ok()) return rows.status();
  absl::StatusOr<std::optional<trainer::ParityReport>> parity =
      Check(arguments, **rows, *prediction, *schema);
  if (!parity.ok()) return parity.status();
  const absl::StatusOr<trainer::RewriteReport> written = trainer::Rewrite(
      **rows, FileOptions(arguments, *prediction, schema->features, (*rows)->model().k),
      trainer::ImportGoldens((*rows)->map(), schema->features),
      ImportMetadata(arguments, source, **rows, *schema), arguments.out);
  if (!written.ok()) return written.status();
  const absl::StatusOr<uint64_t> bytes = CheckWritten(arguments.out);
  if (!bytes.ok()) return bytes.status();
  return ImportReport{.out = arguments.out,
                      .format = source.format,
                      .prediction = *prediction,
                      .probit = arguments.answers.link == trainer::ImportLink::kProbit,
                      .k = (*rows)->model().k,
                      .rows = written->rows,
                      .left_out = (*rows)->map().left_out,
                      .unknown_ids = (*rows)->map().unknown_ids,
                      .bytes = *bytes,
                      .goldens = written->goldens,
                      .parity = *std::move(parity)};
}

int RunImport(const ImportArguments& arguments) {
  absl::StatusOr<SourceFile> source = ReadSource(arguments);
  if (!source.ok()) return Fail("import", source.status());
  const std::vector<std::string> questions =
      trainer::OpenQuestions(source->model, arguments.answers);
  if (!questions.empty()) {
    std::cerr << "fm import: " << arguments.file << ", as " << trainer::Name(source->format)
              << ", does not say all that it takes to score; add\n  "
              << absl::StrJoin(questions, "\n  ") << "\n";
    return kWrongUsage;
  }
  const absl::StatusOr<ImportReport> report = Write(arguments, *std::move(source));
  if (!report.ok()) return Fail("import", report.status());
  if (arguments.json) {
    PrintJson(ToJson(*report));
  } else {
    std::cout << ReportText(*report);
  }
  return kDone;
}

}  // namespace

void AddImport(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<ImportArguments>();
  CLI::App* command = app.add_subcommand(
      "import", "Make a weight file of a model of libFM, xLearn, alphaFM, SageMaker or NumPy.");
  AddImportOptions(*command, *arguments);
  command->footer(
      "Example:\n  fm import model.tar.gz --task binary --map ids.tsv --schema ctr.yaml --out "
      "ctr.fmw");
  command->callback([arguments, &exit_code] { exit_code = RunImport(*arguments); });
}

}  // namespace fmserve::tools
