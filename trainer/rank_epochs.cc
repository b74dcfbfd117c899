#include "trainer/rank_epochs.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <vector>

namespace fmserve::trainer {
namespace {

double SumOfWeights(const Examples& examples) {
  if (examples.weights.empty()) return static_cast<double>(examples.size());
  return std::accumulate(examples.weights.begin(), examples.weights.end(), 0.0);
}

}  // namespace

RankEpochs::RankEpochs(Ranks& ranks, const Examples& examples, size_t features_count,
                       Learner& learner)
    : ranks_(ranks),
      examples_(examples),
      learner_(learner),
      average_(ranks, ranks.size() == 1 ? 0 : features_count) {}

absl::Status RankEpochs::Start(uint64_t average_every_rows) {
  if (ranks_.size() == 1) return absl::OkStatus();
  std::vector<double> rows(ranks_.size());
  rows[ranks_.rank()] = static_cast<double>(examples_.size());
  if (absl::Status status = ranks_.SumInPlace(std::span<double>(rows)); !status.ok()) return status;
  const auto most = static_cast<uint64_t>(*std::max_element(rows.begin(), rows.end()));
  parts_ = (most + average_every_rows - 1) / average_every_rows;

  // All else depends on keys and seed alone; w0 fits the labels of a rank.
  float& w0 = learner_.View().w0->w;
  double sums[] = {static_cast<double>(examples_.size()) * w0,
                   static_cast<double>(examples_.size())};
  absl::Status status = ranks_.SumInPlace(std::span<double>(sums));
  w0 = static_cast<float>(sums[0] / sums[1]);
  return status;
}

absl::StatusOr<double> RankEpochs::Run(const Learner::Progress& progress) {
  if (ranks_.size() == 1) return learner_.RunEpoch(examples_, progress);
  average_.Begin(learner_.View(), learner_.CommonParameters());
  absl::Status status;
  const double loss =
      learner_.RunEpoch(examples_, progress, parts_, [&](std::span<const uint32_t> part) {
        average_.Count(examples_, part);
        status = average_.Average(learner_.View(), learner_.CommonParameters());
        return status.ok();
      });
  if (!status.ok()) return status;
  const double weight = SumOfWeights(examples_);
  double sums[] = {loss * weight, weight};
  status = ranks_.SumInPlace(std::span<double>(sums));
  if (!status.ok()) return status;
  return sums[1] == 0.0 ? 0.0 : sums[0] / sums[1];
}

}  // namespace fmserve::trainer
