#include "tools/report/collect.h"

#include <cmath>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/feature_text.h"
#include "tools/progress.h"
#include "tools/report/model_facts.h"
#include "tools/table_model.h"
#include "trainer/report/groups.h"
#include "trainer/report/importance.h"
#include "trainer/report/largest.h"
#include "trainer/report/scored_sample.h"
#include "trainer/row_reader.h"

namespace fmserve::tools {
namespace {

constexpr size_t kRawRows = 10'000;
constexpr size_t kRawBytes = size_t{64} << 20;
constexpr size_t kShownGroups = 12;
constexpr size_t kShownFields = 30;
constexpr size_t kShownWeights = 20;
constexpr size_t kWeightMinCount = 10;
constexpr size_t kInteractingFeatures = 400;

// A model that reads the rows of the data, one after the other.
class ScoringReader {
 public:
  static absl::StatusOr<ScoringReader> Open(const std::string& path, const std::string& schema,
                                            const std::string& data) {
    ScoringReader opened;
    absl::StatusOr<TableModel> model = OpenTableModel(path, schema);
    if (!model.ok()) return model.status();
    opened.model_ = std::make_unique<TableModel>(*std::move(model));
    auto reader = trainer::RowReader::Open(data, opened.model_->schema, trainer::Labels::kRequired);
    if (!reader.ok()) return reader.status();
    opened.reader_ = *std::move(reader);
    return opened;
  }

  absl::StatusOr<bool> Next() { return reader_->Next(&row_); }

  // Of the row.
  absl::StatusOr<float> Predict() {
    const absl::StatusOr<float> score = model_->scorer->Score(row_.cells);
    if (!score.ok()) return Here(score.status());
    const float prediction = model_->scorer->Predict(*score);
    if (std::isfinite(prediction)) return prediction;
    return Here(absl::InvalidArgumentError("the prediction is no finite number"));
  }

  absl::Status Here(const absl::Status& status) const {
    return absl::Status(status.code(),
                        absl::StrCat(reader_->Where(), ": ", std::string(status.message())));
  }

  const trainer::Row& row() const { return row_; }
  TableModel& model() { return *model_; }
  model::Task task() const { return model_->file->info().task; }

 private:
  std::unique_ptr<TableModel> model_;  // the reader keeps its address
  std::unique_ptr<trainer::RowReader> reader_;
  trainer::Row row_;
};

struct CollectedRows {
  trainer::ScoredSample scored;
  trainer::RawSample raw;
  uint64_t rows = 0;
};

// The second model goes to its next row, which must be the same.
absl::Status Follow(const trainer::Row& row, ScoringReader& second) {
  const absl::StatusOr<bool> more = second.Next();
  if (!more.ok()) return more.status();
  if (*more && second.row().label == row.label) return absl::OkStatus();
  return second.Here(absl::InvalidArgumentError(
      "the two models read different labels; do their schemas name the same column?"));
}

absl::Status CollectRow(ScoringReader& first, ScoringReader* second, trainer::RowGroups* groups,
                        CollectedRows& collected) {
  const trainer::Row& row = first.row();
  const uint64_t number = collected.rows++;
  trainer::ScoredRow scored{.label = *row.label, .weight = row.weight};
  if (groups != nullptr) scored.groups = groups->Add(row.cells[groups->field()]);
  if (collected.raw.Wants(number)) collected.raw.Add(number, *row.label, row.weight, row.cells);
  if (!collected.scored.Wants(number)) return absl::OkStatus();
  const absl::StatusOr<float> prediction = first.Predict();
  if (!prediction.ok()) return prediction.status();
  scored.prediction = *prediction;
  if (second != nullptr) {
    const absl::StatusOr<float> other = second->Predict();
    if (!other.ok()) return other.status();
    scored.other_prediction = *other;
  }
  collected.scored.Add(number, scored);
  return absl::OkStatus();
}

absl::StatusOr<CollectedRows> CollectRows(const ReportOptions& options, ScoringReader& first,
                                          ScoringReader* second, trainer::RowGroups* groups) {
  CollectedRows collected{.scored = trainer::ScoredSample(options.rows_limit, options.seed),
                          .raw = trainer::RawSample(kRawRows, kRawBytes, options.seed + 1)};
  Progress progress("scoring", 0);
  while (true) {
    const absl::StatusOr<bool> more = first.Next();
    if (!more.ok()) return more.status();
    if (!*more) break;
    absl::Status status = second == nullptr ? absl::OkStatus() : Follow(first.row(), *second);
    if (status.ok()) status = CollectRow(first, second, groups, collected);
    if (!status.ok()) return status;
    progress.Update(collected.rows);
  }
  if (collected.scored.size() > 0) return collected;
  return absl::InvalidArgumentError(absl::StrCat(options.data, ": there are no rows"));
}

absl::Status AddImportance(TableModel& model, const trainer::RawExamples& examples, uint64_t seed,
                           ReportData& data) {
  trainer::ImportanceOptions options;
  options.seed = seed;
  const absl::StatusOr<trainer::ImportanceResult> result =
      trainer::ComputeImportance(*model.scorer, examples, options);
  if (!result.ok()) return result.status();
  data.importance_rows = result->rows;
  data.importance_shuffles = options.repeats;
  for (const trainer::FieldImportance& field : result->fields) {
    if (data.importance.size() == kShownFields) break;
    data.importance.push_back(
        {model.file->schema().field(field.field).name, field.mean, field.low, field.high});
  }
  return absl::OkStatus();
}

std::string WeightText(const model::WeightFile& file, const trainer::LargeWeight& weight) {
  if (weight.field) return FeatureText(file, *weight.field, weight.key);
  return absl::StrCat("0x", absl::Hex(weight.key, absl::kZeroPad16));
}

absl::Status AddLargest(const TableModel& model, const trainer::RawExamples& examples,
                        ReportData& data) {
  const model::WeightFile& file = *model.file;
  data.weights_min_count = file.counts() ? kWeightMinCount : 0;
  const auto weights = trainer::FindLargestWeights(model.file, kShownWeights, kWeightMinCount);
  if (!weights.ok()) return weights.status();
  for (const trainer::LargeWeight& weight : *weights)
    data.weights.push_back({WeightText(file, weight), weight.count, weight.w});
  const auto common = trainer::FindCommonFeatures(file, examples, kInteractingFeatures);
  if (!common.ok()) return common.status();
  data.interaction_features = common->size();
  const auto interactions = trainer::FindLargestInteractions(file, *common, kShownWeights);
  if (!interactions.ok()) return interactions.status();
  for (const trainer::LargeInteraction& pair : *interactions) {
    data.interactions.push_back({FeatureText(file, pair.first.field, pair.first.key),
                                 FeatureText(file, pair.second.field, pair.second.key),
                                 pair.first.rows, pair.second.rows, pair.interaction});
  }
  return absl::OkStatus();
}

absl::StatusOr<LearningCurve> FindCurve(const ReportOptions& options, const TableModel& model) {
  if (options.curves.empty()) return LearningCurveOf(*model.file);
  return ReadLearningCurve(options.curves, model.file->info().task);
}

absl::StatusOr<std::optional<ScoringReader>> OpenSecond(const ReportOptions& options,
                                                        model::Task task) {
  if (options.compare.empty()) return std::optional<ScoringReader>();
  absl::StatusOr<ScoringReader> second =
      ScoringReader::Open(options.compare, options.compare_schema, options.data);
  if (!second.ok()) return second.status();
  if (second->task() != task) {
    return absl::InvalidArgumentError(absl::StrCat(
        options.compare, " is a model of another task: ", std::string(Name(second->task())),
        ", not ", std::string(Name(task))));
  }
  return std::optional<ScoringReader>(*std::move(second));
}

}  // namespace

absl::StatusOr<ReportData> CollectReport(const ReportOptions& options) {
  absl::StatusOr<ScoringReader> first =
      ScoringReader::Open(options.model, options.schema, options.data);
  if (!first.ok()) return first.status();
  absl::StatusOr<std::optional<ScoringReader>> second = OpenSecond(options, first->task());
  if (!second.ok()) return second.status();
  TableModel& model = first->model();
  ReportData data;
  data.task = first->task();
  data.data_path = options.data;
  data.group_field = options.by;
  data.first = {.path = options.model, .facts = ModelFacts(*model.file), .curve = {}};
  if (*second) {
    data.second = ReportedModel{
        .path = options.compare, .facts = ModelFacts(*(*second)->model().file), .curve = {}};
  }
  absl::StatusOr<LearningCurve> curve = FindCurve(options, model);
  if (!curve.ok()) return curve.status();
  data.first.curve = *std::move(curve);
  std::optional<trainer::RowGroups> groups;
  if (!options.by.empty()) {
    auto created = trainer::RowGroups::Create(model.file->schema(), options.by);
    if (!created.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(options.model, ": ", std::string(created.status().message())));
    }
    groups = *std::move(created);
  }
  absl::StatusOr<CollectedRows> rows =
      CollectRows(options, *first, *second ? &**second : nullptr, groups ? &*groups : nullptr);
  if (!rows.ok()) return rows.status();
  data.rows_read = rows->rows;
  data.rows_used = rows->scored.size();
  const std::vector<std::string> values =
      groups ? groups->Top(kShownGroups) : std::vector<std::string>();
  data.evaluation =
      trainer::Evaluate(data.task, rows->scored, second->has_value(), values, options.seed);
  if (absl::Status status = AddImportance(model, rows->raw.examples(), options.seed, data);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = AddLargest(model, rows->raw.examples(), data); !status.ok())
    return status;
  return data;
}

}  // namespace fmserve::tools
