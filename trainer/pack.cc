#include "trainer/pack.h"

#include <cstddef>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/quantization.h"
#include "model/row_layout.h"
#include "model/text.h"
#include "model/weight_writer.h"
#include "trainer/row_encoder.h"

namespace fmserve::trainer {
namespace {

// A value of a categorical or multi-valued field that training did not see.
std::string UnseenValue(const TrainingData& data, size_t field) {
  const bool integer = data.schema.field(field).value_type == model::ValueType::kInteger;
  for (int64_t n = 1;; ++n) {
    const uint64_t seed = data.schema.seed(field);
    std::string value = integer ? absl::StrCat(-n) : absl::StrCat("unseen ", n);
    const uint64_t key = integer ? model::ValueKey(seed, -n) : model::ValueKey(seed, value);
    const uint32_t row = data.vocabulary.Find(key, static_cast<uint8_t>(field));
    if (row == kNoRow || data.vocabulary[row].key != key) return value;
  }
}

// Every fourth sample loses the value of one field, every other fourth gets an unseen one; fields
// take turns.
std::vector<RawRow> GoldenRows(const TrainingData& data) {
  std::vector<RawRow> rows = data.samples;
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t field = i / 4 % data.schema.size();
    if (i % 4 == 2) rows[i][field].clear();
    if (i % 4 == 3 && HasValues(data.schema.field(field)))
      rows[i][field] = UnseenValue(data, field);
  }
  rows.emplace_back(data.schema.size());
  return rows;
}

absl::Status OfFeature(const TrainingData& data, size_t row, const absl::Status& status) {
  const Feature& feature = data.vocabulary[row];
  return {status.code(), absl::StrCat("feature ", model::Quote(feature.value), " of field '",
                                      data.schema.field(feature.field).name,
                                      "': ", std::string(status.message()))};
}

}  // namespace

absl::StatusOr<Parameters> RoundParameters(model::Quantization quantization,
                                           const TrainingData& data, const Parameters& parameters) {
  Parameters rounded = parameters;
  std::vector<std::byte> row(model::RowStrideBytes(quantization, parameters.k));
  for (size_t r = 0; r < parameters.rows(); ++r) {
    constexpr uint64_t kAnyKey = 1;
    absl::Status status =
        model::EncodeRow(quantization, kAnyKey, parameters.w[r], parameters.factors(r), row);
    if (!status.ok()) return OfFeature(data, r, status);
    model::DecodeRow(quantization, row.data(), rounded.factors(r));
  }
  return rounded;
}

absl::StatusOr<std::vector<model::Golden>> MakeGoldens(const TrainingData& data,
                                                       const Parameters& parameters) {
  RowEncoder encoder(data.schema);
  std::vector<model::Golden> goldens;
  std::vector<Entry> entries;
  std::vector<uint8_t> fields;
  for (RawRow& row : GoldenRows(data)) {
    const std::vector<std::string_view> cells(row.begin(), row.end());
    if (absl::Status status = encoder.Encode(cells); !status.ok()) return status;
    const model::FeatureSpan features = encoder.all();
    entries.clear();
    fields.clear();
    for (size_t i = 0; i < features.size(); ++i) {
      const uint32_t id = data.vocabulary.Find(features.keys[i], features.fields[i]);
      if (id == kNoRow) continue;
      entries.push_back({id, features.xs[i]});
      fields.push_back(features.fields[i]);
    }
    const double score = Score(parameters, entries, fields);
    goldens.push_back({.cells = std::move(row), .score = score});
  }
  return goldens;
}

model::Metadata DescribeData(const TrainingData& data) {
  std::vector<uint64_t> parameter_rows(data.schema.size());
  for (size_t row = 0; row < data.vocabulary.size(); ++row)
    ++parameter_rows[data.vocabulary[row].field];
  model::Metadata metadata;
  metadata.emplace_back("data.train.rows", absl::StrCat(data.rows_count));
  metadata.emplace_back("data.train.features", absl::StrCat(data.entries_count));
  for (size_t field = 0; field < data.schema.size(); ++field) {
    const std::string prefix = absl::StrCat("field.", data.schema.field(field).name);
    const uint64_t missing = data.missing_by_field[field];
    metadata.emplace_back(prefix + ".rows", absl::StrCat(data.rows_count - missing));
    metadata.emplace_back(prefix + ".missing", absl::StrCat(missing));
    metadata.emplace_back(prefix + ".values",
                          absl::StrCat(data.vocabulary.distinct_values()[field]));
    metadata.emplace_back(prefix + ".parameters", absl::StrCat(parameter_rows[field]));
  }
  return metadata;
}

absl::Status Pack(const PackOptions& options, const TrainingData& data,
                  const Parameters& parameters, model::Metadata metadata, const std::string& path) {
  if (parameters.field_matrix) {
    absl::Status status =
        model::CheckFieldMatrix(*parameters.field_matrix, data.schema.size(), parameters.k);
    if (!status.ok())
      return absl::InvalidArgumentError(absl::StrCat("field matrix: ", status.message()));
  }
  absl::StatusOr<Parameters> rounded = RoundParameters(options.quantization, data, parameters);
  if (!rounded.ok()) return rounded.status();
  absl::StatusOr<std::vector<model::Golden>> goldens = MakeGoldens(data, *rounded);
  if (!goldens.ok()) return goldens.status();

  const bool binary = options.task == model::Task::kBinary;
  model::WeightWriter writer({.model_name = options.model_name,
                              .version = 0,
                              .created_unix_us = options.created_unix_us,
                              .task = options.task,
                              .quantization = options.quantization,
                              .link = binary ? model::Link::kSigmoid : model::Link::kIdentity,
                              .calibration = {},
                              .k = parameters.k,
                              .w0 = parameters.w0,
                              .schema = data.schema,
                              .field_matrix = parameters.field_matrix,
                              .with_names = options.with_names,
                              .training_rows = data.earlier_rows + data.rows_count});
  for (size_t row = 0; row < parameters.rows(); ++row) {
    const Feature& feature = data.vocabulary[row];
    absl::Status status = writer.AddRow({.key = feature.key,
                                         .field = feature.field,
                                         .value = feature.value,
                                         .w = parameters.w[row],
                                         .v = parameters.factors(row),
                                         .count = feature.count});
    if (!status.ok()) return OfFeature(data, row, status);
  }
  for (model::Golden& golden : *goldens) writer.AddGolden(std::move(golden));
  writer.SetMetadata(std::move(metadata));
  return writer.Finish(path);
}

}  // namespace fmserve::trainer
