#include "trainer/rewrite.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/weight_format.h"
#include "trainer/plain_scorer.h"

namespace fmserve::trainer {
namespace {

std::string LinkPrefix(size_t link) { return absl::StrCat("lineage.", link, "."); }

std::string ParentText(const Parent& parent) {
  return absl::StrCat(parent.info.model_name, " version ", parent.info.version, ", ",
                      parent.info.rows_count, " rows, sha256 ", parent.sha256);
}

absl::Status Rescore(const RowTable& table, const model::WeightFileOptions& options,
                     std::vector<model::Golden>& goldens, RewriteReport& report) {
  PlainScorer scorer(table, options.schema, options.quantization);
  for (model::Golden& golden : goldens) {
    const std::vector<std::string_view> cells(golden.cells.begin(), golden.cells.end());
    const absl::StatusOr<double> score = scorer.Score(cells);
    if (!score.ok()) return score.status();
    report.max_golden_change = std::max(report.max_golden_change, std::abs(*score - golden.score));
    golden.score = *score;
  }
  report.goldens = goldens.size();
  return absl::OkStatus();
}

}  // namespace

model::Metadata Inherit(const model::Metadata& metadata, const Lineage& lineage) {
  model::Metadata inherited;
  size_t link = 1;
  for (const auto& [name, value] : metadata) {
    if (absl::StartsWith(name, "metric.")) continue;
    if (name == LinkPrefix(link) + "operation") ++link;
    inherited.emplace_back(name, value);
  }
  const std::string prefix = LinkPrefix(link);
  inherited.emplace_back(prefix + "operation", lineage.operation);
  inherited.emplace_back(prefix + "options", lineage.options);
  for (size_t i = 0; i < lineage.parents.size(); ++i) {
    inherited.emplace_back(absl::StrCat(prefix, "parent.", i + 1), ParentText(lineage.parents[i]));
  }
  return inherited;
}

bool HasNames(const model::WeightFile& file) {
  return std::ranges::any_of(file.sections(), [](const model::SectionInfo& section) {
    return section.type == static_cast<uint32_t>(model::format::SectionType::kNames);
  });
}

model::WeightFileOptions InheritOptions(const model::WeightFile& parent) {
  const model::WeightInfo& info = parent.info();
  model::WeightFileOptions options;
  options.model_name = info.model_name;
  options.task = info.task;
  options.quantization = info.quantization;
  options.link = info.link;
  options.calibration = info.calibration;
  options.k = info.k;
  options.w0 = info.w0;
  options.schema = parent.schema();
  options.field_matrix = parent.field_matrix();
  options.with_names = HasNames(parent);
  if (parent.counts()) options.training_rows = parent.counts()->rows;
  return options;
}

absl::StatusOr<RewriteReport> Rewrite(const RowTable& table,
                                      const model::WeightFileOptions& options,
                                      std::vector<model::Golden> goldens, model::Metadata metadata,
                                      const std::string& path) {
  RewriteReport report;
  model::WeightFileOptions of_table = options;
  of_table.w0 = table.w0();
  of_table.field_matrix = table.field_matrix();
  model::WeightWriter writer(of_table);
  const absl::Status added = table.ForEach([&](const FeatureRow& row) {
    ++report.rows;
    return writer.AddRow({.key = row.key,
                          .field = row.name ? row.name->field : uint8_t{0},
                          .value = row.name ? row.name->value : std::string_view(),
                          .w = row.w,
                          .v = row.v,
                          .count = row.count});
  });
  if (!added.ok()) return added;
  if (absl::Status status = Rescore(table, options, goldens, report); !status.ok()) return status;
  for (model::Golden& golden : goldens) writer.AddGolden(std::move(golden));
  writer.SetMetadata(std::move(metadata));
  if (absl::Status status = writer.Finish(path); !status.ok()) return status;
  return report;
}

}  // namespace fmserve::trainer
