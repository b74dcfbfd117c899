#include "trainer/epochs.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <span>

namespace fmserve::trainer {
namespace {

// The order of blocks has no number of a block.
constexpr uint32_t kOfBlocks = 0xffffffff;

std::mt19937_64 RandomOf(uint64_t seed, uint32_t epoch, uint32_t block) {
  std::seed_seq words = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), epoch,
                         block};
  return std::mt19937_64(words);
}

void Shuffle(size_t size, std::mt19937_64 random, std::vector<uint32_t>& order) {
  order.resize(size);
  std::iota(order.begin(), order.end(), 0U);
  std::shuffle(order.begin(), order.end(), random);
}

}  // namespace

Epochs::Epochs(uint64_t seed, Ranks& ranks, const TrainingRows& rows, size_t features_count,
               Learner& learner)
    : seed_(seed),
      ranks_(ranks),
      rows_(rows),
      learner_(learner),
      average_(ranks, ranks.size() == 1 ? 0 : features_count) {}

absl::Status Epochs::Start(uint64_t average_every_rows) {
  if (ranks_.size() == 1) return absl::OkStatus();
  std::vector<double> rows(ranks_.size());
  rows[ranks_.rank()] = static_cast<double>(rows_.size());
  if (absl::Status status = ranks_.SumInPlace(std::span<double>(rows)); !status.ok()) return status;
  const auto most = static_cast<uint64_t>(*std::max_element(rows.begin(), rows.end()));
  parts_ = (most + average_every_rows - 1) / average_every_rows;

  // All else depends on keys and seed alone; w0 fits the labels of a rank.
  float& w0 = learner_.View().w0->w;
  double sums[] = {static_cast<double>(rows_.size()) * w0, static_cast<double>(rows_.size())};
  absl::Status status = ranks_.SumInPlace(std::span<double>(sums));
  w0 = static_cast<float>(sums[0] / sums[1]);
  return status;
}

absl::StatusOr<double> Epochs::Run(uint32_t epoch, const Progress& progress) {
  if (ranks_.size() > 1) average_.Begin(learner_.View(), learner_.CommonParameters());
  done_ = parts_done_ = 0;
  loss_ = 0.0;
  std::vector<uint32_t> blocks;
  Shuffle(rows_.blocks_count(), RandomOf(seed_, epoch, kOfBlocks), blocks);
  for (size_t i = 0; i < blocks.size(); ++i) {
    const size_t next = i + 1 < blocks.size() ? blocks[i + 1] : rows_.blocks_count();
    const absl::StatusOr<const Examples*> examples = rows_.Load(blocks[i], next);
    if (!examples.ok()) return examples.status();
    absl::Status status = RunBlock(**examples, RandomOf(seed_, epoch, blocks[i]), progress);
    if (!status.ok()) return status;
  }
  learner_.EndEpoch();
  double sums[] = {loss_, rows_.totals().weights};
  if (absl::Status status = ranks_.SumInPlace(std::span<double>(sums)); !status.ok()) return status;
  return sums[1] == 0.0 ? 0.0 : sums[0] / sums[1];
}

absl::Status Epochs::RunBlock(const Examples& examples, std::mt19937_64 random,
                              const Progress& progress) {
  Shuffle(examples.size(), random, order_);
  for (size_t begin = 0; begin < order_.size();) {
    // The part may go on in the next block, and others may end in this one.
    const uint64_t part_end = rows_.size() * (parts_done_ + 1) / parts_;
    const size_t end = std::min<uint64_t>(order_.size(), begin + (part_end - done_));
    const std::span<const uint32_t> order = std::span(order_).subspan(begin, end - begin);
    loss_ += learner_.Learn(examples, order,
                            progress ? [&](size_t done) { progress(done_ + done); } : Progress());
    if (ranks_.size() > 1) average_.Count(examples, order);
    done_ += order.size();
    begin = end;
    while (parts_done_ < parts_ && done_ >= rows_.size() * (parts_done_ + 1) / parts_) {
      if (absl::Status status = EndPart(); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status Epochs::EndPart() {
  ++parts_done_;
  if (ranks_.size() == 1) return absl::OkStatus();
  return average_.Average(learner_.View(), learner_.CommonParameters());
}

}  // namespace fmserve::trainer
