#include "trainer/rank_average.h"

#include <algorithm>

namespace fmserve::trainer {
namespace {

constexpr size_t kMessageFloats = size_t{1} << 20;

// How far `values` have moved.
void AppendMoves(std::span<const float> values, std::span<const float> before,
                 std::vector<float>& message) {
  for (size_t i = 0; i < values.size(); ++i) message.push_back(values[i] - before[i]);
}

// Moves both by `share` of the sums at `sums`; returns what is behind them.
const float* TakeMoves(float share, const float* sums, std::span<float> before,
                       std::span<float> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    before[i] += share * sums[i];
    values[i] = before[i];
  }
  return sums + values.size();
}

// Of the sum of all moves: what becomes of it, by the steps of all ranks and the sum of the squares
// of each rank's.
float ShareOf(float total, float squares) {
  const float ranks = total * total / squares;
  return std::clamp(RankAverage::kFewSteps / total, 1.0F / ranks, 1.0F);
}

// A LinearWeight and a FactorBlock are floats and nothing else.
static_assert(sizeof(LinearWeight) == 2 * sizeof(float));
static_assert(sizeof(FactorBlock) == 2 * kLanes * sizeof(float));

std::span<float> FloatsOf(LinearWeight& weight) { return {reinterpret_cast<float*>(&weight), 2}; }

std::span<float> FloatsOf(FactorBlock* blocks, size_t count) {
  return {reinterpret_cast<float*>(blocks), count * 2 * kLanes};
}

}  // namespace

RankAverage::RankAverage(Ranks& ranks, size_t features_count)
    : ranks_(ranks), counts_(features_count + 1) {}

void RankAverage::Begin(const FmView& features, std::span<const std::span<float>> common) {
  common_.clear();
  for (const std::span<float> part : common)
    common_.insert(common_.end(), part.begin(), part.end());
  const size_t features_count = counts_.size() - 1;
  linear_.assign(features.linear, features.linear + features_count);
  factors_.assign(features.factors, features.factors + features_count * features.blocks);
}

void RankAverage::Count(const Examples& examples, std::span<const uint32_t> numbers) {
  for (const uint32_t number : numbers) {
    for (const Entry& entry : examples[number]) counts_[entry.row] += 1.0F;
  }
  counts_.back() += static_cast<float>(numbers.size());
}

absl::Status RankAverage::Average(const FmView& features,
                                  std::span<const std::span<float>> common) {
  totals_ = counts_;
  if (absl::Status status = ranks_.SumInPlace(totals_); !status.ok()) return status;
  if (absl::Status status = AverageCommon(common); !status.ok()) return status;
  const size_t most_rows = std::max<size_t>(1, kMessageFloats / (3 + features.blocks * 2 * kLanes));
  std::vector<size_t> rows;
  for (size_t row = 0; row + 1 < totals_.size(); ++row) {
    if (totals_[row] > 0.0F) rows.push_back(row);
    if (rows.size() < most_rows) continue;
    if (absl::Status status = AverageRows(features, rows); !status.ok()) return status;
    rows.clear();
  }
  absl::Status status = AverageRows(features, rows);
  std::fill(counts_.begin(), counts_.end(), 0.0F);
  return status;
}

absl::Status RankAverage::AverageCommon(std::span<const std::span<float>> common) {
  if (totals_.back() == 0.0F) return absl::OkStatus();
  message_.assign(1, counts_.back() * counts_.back());
  size_t begin = 0;
  for (const std::span<float> part : common) {
    AppendMoves(part, std::span(common_).subspan(begin, part.size()), message_);
    begin += part.size();
  }
  if (absl::Status status = ranks_.SumInPlace(message_); !status.ok()) return status;
  const float share = ShareOf(totals_.back(), message_.front());
  const float* next = &message_[1];
  begin = 0;
  for (const std::span<float> part : common) {
    next = TakeMoves(share, next, std::span(common_).subspan(begin, part.size()), part);
    begin += part.size();
  }
  return absl::OkStatus();
}

absl::Status RankAverage::AverageRows(const FmView& features, std::span<const size_t> rows) {
  if (rows.empty()) return absl::OkStatus();
  const size_t blocks = features.blocks;
  message_.clear();
  for (const size_t row : rows) {
    message_.push_back(counts_[row] * counts_[row]);
    AppendMoves(FloatsOf(features.linear[row]), FloatsOf(linear_[row]), message_);
    AppendMoves(FloatsOf(&features.factors[row * blocks], blocks),
                FloatsOf(&factors_[row * blocks], blocks), message_);
  }
  if (absl::Status status = ranks_.SumInPlace(message_); !status.ok()) return status;
  const float* next = message_.data();
  for (const size_t row : rows) {
    const float share = ShareOf(totals_[row], *next++);
    next = TakeMoves(share, next, FloatsOf(linear_[row]), FloatsOf(features.linear[row]));
    next = TakeMoves(share, next, FloatsOf(&factors_[row * blocks], blocks),
                     FloatsOf(&features.factors[row * blocks], blocks));
  }
  return absl::OkStatus();
}

}  // namespace fmserve::trainer
