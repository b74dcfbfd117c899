// Labelled rows with what one or two models predict for them, in columns: what a report is computed
// from.
#ifndef FMSERVE_TRAINER_REPORT_SCORED_SAMPLE_H_
#define FMSERVE_TRAINER_REPORT_SCORED_SAMPLE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/report/thinning.h"

namespace fmserve::trainer {

// Unowned columns of equal length; `weights` may be empty, and all rows then count alike. Labels of
// a binary task are 0 or 1, its predictions probabilities.
struct ScoredView {
  std::span<const float> predictions;
  std::span<const float> labels;
  std::span<const float> weights;

  size_t size() const { return labels.size(); }
  double weight(size_t row) const { return weights.empty() ? 1.0 : double{weights[row]}; }
};

// Row numbers in ascending order of prediction; rows with the same prediction in their own order.
std::vector<uint32_t> OrderByPrediction(const ScoredView& view);

struct ScoredRow {
  float label = 0.0F;
  float weight = 1.0F;
  float prediction = 0.0F;
  float other_prediction = 0.0F;       // of the second model, if there is one
  std::span<const uint64_t> groups{};  // hashes of the row's values of a field
};

// At most `max_rows` rows, drawn evenly once there are more; all of them, in their order, as long
// as there are not. Memory: about 16 bytes per row and 8 per group, of which at most 4 * max_rows
// are kept. One thread.
class ScoredSample {
 public:
  ScoredSample(size_t max_rows, uint64_t seed) : max_rows_(max_rows), thinning_(seed) {}

  // Whether Add will keep a row; `row` counts from 0, and never goes back.
  bool Wants(uint64_t row) const { return thinning_.Keeps(row); }

  // Only rows that it wants.
  void Add(uint64_t row, const ScoredRow& scored);

  size_t size() const { return labels_.size(); }
  ScoredView first() const { return {predictions_, labels_, weights_}; }
  ScoredView second() const { return {other_predictions_, labels_, weights_}; }
  std::span<const uint64_t> groups(size_t i) const {
    const size_t begin = i == 0 ? 0 : group_ends_[i - 1];
    return std::span(groups_).subspan(begin, group_ends_[i] - begin);
  }

 private:
  void Thin();

  size_t max_rows_;
  Thinning thinning_;
  std::vector<uint64_t> rows_;
  std::vector<float> labels_;
  std::vector<float> weights_;
  std::vector<float> predictions_;
  std::vector<float> other_predictions_;
  std::vector<size_t> group_ends_;
  std::vector<uint64_t> groups_;
};

// Raw cells of labelled rows: what is scored again with something changed.
struct RawExamples {
  std::vector<std::vector<std::string>> cells;  // one per field of the schema
  std::vector<float> labels;
  std::vector<float> weights;

  size_t size() const { return labels.size(); }
};

// The same for raw rows, bounded in rows and in bytes of cells. One thread.
class RawSample {
 public:
  RawSample(size_t max_rows, size_t max_bytes, uint64_t seed)
      : max_rows_(max_rows), max_bytes_(max_bytes), thinning_(seed) {}

  bool Wants(uint64_t row) const { return thinning_.Keeps(row); }
  void Add(uint64_t row, float label, float weight, std::span<const std::string_view> cells);

  const RawExamples& examples() const { return examples_; }

 private:
  void Thin();

  size_t max_rows_;
  size_t max_bytes_;
  Thinning thinning_;
  size_t bytes_ = 0;
  std::vector<uint64_t> rows_;
  RawExamples examples_;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_REPORT_SCORED_SAMPLE_H_
