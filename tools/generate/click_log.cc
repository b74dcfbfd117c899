#include "tools/generate/click_log.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/feature_encoder.h"
#include "model/types.h"
#include "tools/generate/ad_world.h"
#include "tools/generate/hidden_model.h"
#include "trainer/schema_yaml.h"

namespace fmserve::tools {
namespace {

constexpr size_t kCalibrationRows = 50'000;

// Identifiers that few rows show matter less than what every row has, or nobody could learn this
// log.
std::vector<HiddenModel::Spread> Spreads(const model::FeatureSchema& schema) {
  std::vector<HiddenModel::Spread> spreads;
  for (const model::Field& field : schema.fields()) {
    const bool is_user = field.name == "user_id";
    const bool is_ad = field.side == model::Side::kItem;
    spreads.push_back({.linear = is_ad ? 0.35F : 0.2F,
                       .factor = is_user ? 0.1F
                                 : is_ad ? 0.32F
                                         : 0.24F});
  }
  return spreads;
}

// An impression and how likely it is to be clicked, but for the intercept.
class Impressions {
 public:
  Impressions(uint64_t seed, const trainer::TrainingSchema& schema)
      : schema_(schema.features), world_(seed), model_(seed, Spreads(schema_)) {}

  absl::Status Draw(std::mt19937_64& random) {
    cells_ = world_.DrawImpression(random);
    const std::vector<std::string_view> views(cells_.begin(), cells_.end());
    features_.Clear();
    model::FeatureEncoder encoder(schema_, &features_);
    absl::Status status = encoder.AddRow(model::Side::kContext, views);
    if (status.ok()) status = encoder.AddRow(model::Side::kItem, views);
    if (status.ok()) score_ = model_.Score(features_.view());
    return status;
  }

  const std::vector<std::string>& cells() const { return cells_; }
  double score() const { return score_; }

 private:
  const model::FeatureSchema& schema_;
  AdWorld world_;
  HiddenModel model_;
  std::vector<std::string> cells_;
  model::FeatureList features_;
  double score_ = 0.0;
};

absl::StatusOr<double> Intercept(Impressions& impressions, const ClickLogOptions& options) {
  std::mt19937_64 random(options.seed + 1);
  std::vector<double> scores;
  for (size_t i = 0; i < kCalibrationRows; ++i) {
    if (absl::Status status = impressions.Draw(random); !status.ok()) return status;
    scores.push_back(impressions.score());
  }
  return InterceptFor(scores, options.ctr);
}

absl::Status WriteSplit(Impressions& impressions, double intercept, uint64_t rows,
                        const std::string& header, std::mt19937_64& random, ClickLogSplit& split) {
  std::ofstream out(split.path, std::ios::binary | std::ios::trunc);
  out << header;
  std::vector<float> probabilities;
  std::vector<float> labels;
  std::uniform_real_distribution<double> unit(0.0, 1.0);
  for (uint64_t i = 0; i < rows; ++i) {
    if (absl::Status status = impressions.Draw(random); !status.ok()) return status;
    const double probability = 1.0 / (1.0 + std::exp(-(intercept + impressions.score())));
    const bool click = unit(random) < probability;
    out << (click ? '1' : '0') << '\t' << absl::StrJoin(impressions.cells(), "\t") << '\n';
    probabilities.push_back(static_cast<float>(probability));
    labels.push_back(click ? 1.0F : 0.0F);
    split.clicks += click ? 1 : 0;
  }
  out.close();
  if (!out)
    return absl::InternalError(absl::StrCat(split.path, ": writing failed; is the disk full?"));
  split.hidden = trainer::ComputeMetrics(model::Task::kBinary, probabilities, labels);
  return absl::OkStatus();
}

absl::Status WriteSchema(const std::filesystem::path& path) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << AdWorldSchemaYaml();
  out.close();
  if (!out) return absl::InternalError(absl::StrCat(path.string(), ": writing failed"));
  return absl::OkStatus();
}

std::string Header(const model::FeatureSchema& schema) {
  std::string header = "click";
  for (const model::Field& field : schema.fields()) absl::StrAppend(&header, "\t", field.name);
  return header + "\n";
}

}  // namespace

absl::StatusOr<std::vector<ClickLogSplit>> WriteClickLog(const ClickLogOptions& options) {
  const std::filesystem::path dir = options.dir;
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) return absl::InternalError(absl::StrCat(options.dir, ": ", error.message()));
  if (absl::Status status = WriteSchema(dir / "schema.yaml"); !status.ok()) return status;

  const auto schema = trainer::ParseSchemaYaml(AdWorldSchemaYaml(), "schema.yaml");
  if (!schema.ok()) return schema.status();
  Impressions impressions(options.seed, *schema);
  const auto intercept = Intercept(impressions, options);
  if (!intercept.ok()) return intercept.status();

  const uint64_t tenth = options.rows / 10;
  const std::string header = Header(schema->features);
  std::mt19937_64 random(options.seed);
  std::vector<ClickLogSplit> splits;
  for (const auto& [name, rows] :
       {std::pair{"train", options.rows - 2 * tenth}, {"valid", tenth}, {"test", tenth}}) {
    splits.push_back(
        {.name = name, .path = dir / absl::StrCat(name, ".tsv"), .clicks = 0, .hidden = {}});
    absl::Status status = WriteSplit(impressions, *intercept, rows, header, random, splits.back());
    if (!status.ok()) return status;
  }
  return splits;
}

}  // namespace fmserve::tools
