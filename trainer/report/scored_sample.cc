#include "trainer/report/scored_sample.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace fmserve::trainer {
namespace {

constexpr size_t kGroupsPerRow = 4;

size_t CellBytes(const std::vector<std::string>& cells) {
  size_t bytes = cells.size() * sizeof(std::string);
  for (const std::string& cell : cells) bytes += cell.size();
  return bytes;
}

}  // namespace

std::vector<uint32_t> OrderByPrediction(const ScoredView& view) {
  std::vector<uint32_t> order(view.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const float left = view.predictions[a];
    const float right = view.predictions[b];
    return left != right ? left < right : a < b;
  });
  return order;
}

void ScoredSample::Add(uint64_t row, const ScoredRow& scored) {
  rows_.push_back(row);
  labels_.push_back(scored.label);
  weights_.push_back(scored.weight);
  predictions_.push_back(scored.prediction);
  other_predictions_.push_back(scored.other_prediction);
  groups_.insert(groups_.end(), scored.groups.begin(), scored.groups.end());
  group_ends_.push_back(groups_.size());
  while (size() > max_rows_ || groups_.size() > kGroupsPerRow * max_rows_) Thin();
}

void ScoredSample::Thin() {
  thinning_.Halve();
  size_t kept = 0;
  size_t groups_kept = 0;
  std::vector<size_t> ends;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (!thinning_.Keeps(rows_[i])) continue;
    const std::span<const uint64_t> of_row = groups(i);
    std::copy(of_row.begin(), of_row.end(), groups_.begin() + static_cast<ptrdiff_t>(groups_kept));
    groups_kept += of_row.size();
    rows_[kept] = rows_[i];
    labels_[kept] = labels_[i];
    weights_[kept] = weights_[i];
    predictions_[kept] = predictions_[i];
    other_predictions_[kept] = other_predictions_[i];
    ends.push_back(groups_kept);
    ++kept;
  }
  rows_.resize(kept);
  labels_.resize(kept);
  weights_.resize(kept);
  predictions_.resize(kept);
  other_predictions_.resize(kept);
  groups_.resize(groups_kept);
  group_ends_ = std::move(ends);
}

void RawSample::Add(uint64_t row, float label, float weight,
                    std::span<const std::string_view> cells) {
  rows_.push_back(row);
  examples_.labels.push_back(label);
  examples_.weights.push_back(weight);
  examples_.cells.emplace_back(cells.begin(), cells.end());
  bytes_ += CellBytes(examples_.cells.back());
  while (rows_.size() > max_rows_ || (bytes_ > max_bytes_ && !rows_.empty())) Thin();
}

void RawSample::Thin() {
  thinning_.Halve();
  size_t kept = 0;
  bytes_ = 0;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (!thinning_.Keeps(rows_[i])) continue;
    rows_[kept] = rows_[i];
    examples_.labels[kept] = examples_.labels[i];
    examples_.weights[kept] = examples_.weights[i];
    if (kept != i) examples_.cells[kept] = std::move(examples_.cells[i]);
    bytes_ += CellBytes(examples_.cells[kept]);
    ++kept;
  }
  rows_.resize(kept);
  examples_.labels.resize(kept);
  examples_.weights.resize(kept);
  examples_.cells.resize(kept);
}

}  // namespace fmserve::trainer
