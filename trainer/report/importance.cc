#include "trainer/report/importance.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <span>
#include <string_view>

#include "trainer/metrics.h"

namespace fmserve::trainer {
namespace {

constexpr size_t kNoField = static_cast<size_t>(-1);

// Scores the same rows again and again, each time with one column taken from other rows.
class ShuffledLoss {
 public:
  ShuffledLoss(TableScorer& scorer, const RawExamples& examples, size_t rows)
      : scorer_(scorer), examples_(examples), predictions_(rows) {}

  // Row i has the cell of `field` from row sources[i].
  absl::StatusOr<double> Measure(size_t field, std::span<const size_t> sources) {
    for (size_t i = 0; i < predictions_.size(); ++i) {
      cells_.assign(examples_.cells[i].begin(), examples_.cells[i].end());
      if (field != kNoField) cells_[field] = examples_.cells[sources[i]][field];
      const absl::StatusOr<float> score = scorer_.Score(cells_);
      if (!score.ok()) return score.status();
      predictions_[i] = scorer_.Predict(*score);
    }
    const model::Task task = scorer_.file().info().task;
    const size_t rows = predictions_.size();
    return Loss(task, ComputeMetrics(task, predictions_, std::span(examples_.labels).first(rows),
                                     std::span(examples_.weights).first(rows)));
  }

 private:
  TableScorer& scorer_;
  const RawExamples& examples_;
  std::vector<float> predictions_;
  std::vector<std::string_view> cells_;
};

// Fisher and Yates, spelled out: std::shuffle is not the same everywhere.
void ShuffleRows(std::mt19937_64& random, std::vector<size_t>& rows) {
  for (size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[random() % i]);
}

}  // namespace

absl::StatusOr<ImportanceResult> ComputeImportance(TableScorer& scorer, const RawExamples& examples,
                                                   const ImportanceOptions& options) {
  const size_t fields = scorer.file().schema().size();
  ImportanceResult result;
  result.rows = std::min(examples.size(), options.max_scorings / (fields * options.repeats + 1));
  if (result.rows < 2) return result;
  ShuffledLoss shuffled(scorer, examples, result.rows);
  const absl::StatusOr<double> loss = shuffled.Measure(kNoField, {});
  if (!loss.ok()) return loss.status();
  result.loss = *loss;

  std::mt19937_64 random(options.seed);
  std::vector<size_t> sources(result.rows);
  std::iota(sources.begin(), sources.end(), size_t{0});
  for (size_t field = 0; field < fields; ++field) result.fields.push_back({field, 0.0, 0.0, 0.0});
  for (size_t repeat = 0; repeat < options.repeats; ++repeat) {
    ShuffleRows(random, sources);
    for (FieldImportance& importance : result.fields) {
      const absl::StatusOr<double> without = shuffled.Measure(importance.field, sources);
      if (!without.ok()) return without.status();
      const double rise = *without - result.loss;
      importance.mean += rise / static_cast<double>(options.repeats);
      importance.low = repeat == 0 ? rise : std::min(importance.low, rise);
      importance.high = repeat == 0 ? rise : std::max(importance.high, rise);
    }
  }
  std::stable_sort(
      result.fields.begin(), result.fields.end(),
      [](const FieldImportance& a, const FieldImportance& b) { return a.mean > b.mean; });
  return result;
}

}  // namespace fmserve::trainer
