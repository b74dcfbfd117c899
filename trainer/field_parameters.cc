#include "trainer/field_parameters.h"

#include <random>

#include "trainer/keyed_random.h"

namespace fmserve::trainer {
namespace {

constexpr float kInitAccumulator = 1.0F;

size_t RankBlocks(uint32_t rank) { return (rank + kRankLanes - 1) / kRankLanes; }

}  // namespace

FieldParameters::FieldParameters(const FieldOptions& options, const RowFields& fields,
                                 uint64_t seed)
    : rank_(options.rank),
      fields_count_(fields.count),
      field_of_row_(fields.of_rows.begin(), fields.of_rows.end()),
      u_(fields.count * RankBlocks(rank_)),
      e_(RankBlocks(rank_)) {
  for (std::vector<RankBlock>* const blocks : {&u_, &e_}) {
    for (RankBlock& block : *blocks) {
      for (float& g2 : block.g2) g2 = kInitAccumulator;
    }
  }
  for (uint32_t r = 0; r < rank_; ++r)
    e_[r / kRankLanes].value[r % kRankLanes] = r % 2 == 0 ? 1.0F : -1.0F;
  std::normal_distribution<float> normal(0.0F, static_cast<float>(options.init_stddev));
  for (size_t field = 0; field < fields_count_; ++field) {
    KeyedRandom random(seed, field);
    normal.reset();
    for (uint32_t r = 0; r < rank_; ++r) {
      RankBlock& block = u_[field * RankBlocks(rank_) + r / kRankLanes];
      block.value[r % kRankLanes] = r == 0 ? 1.0F : normal(random);
    }
  }
}

void FieldParameters::Set(const model::FieldMatrix& matrix) {
  for (uint32_t r = 0; r < rank_; ++r) {
    e_[r / kRankLanes].value[r % kRankLanes] = matrix.scales[r];
    for (size_t field = 0; field < fields_count_; ++field) {
      u_[field * RankBlocks(rank_) + r / kRankLanes].value[r % kRankLanes] =
          matrix.factors_of(field)[r];
    }
  }
}

FieldWeightedView FieldParameters::View(const FmView& fm, float learning_rate) {
  return {.fm = fm,
          .field_learning_rate = learning_rate,
          .fields = field_of_row_.data(),
          .rank = rank_,
          .rank_blocks = RankBlocks(rank_),
          .u = u_.data(),
          .e = e_.data()};
}

std::vector<std::span<std::byte>> FieldParameters::State() {
  return {std::as_writable_bytes(std::span(u_)), std::as_writable_bytes(std::span(e_))};
}

model::FieldMatrix FieldParameters::matrix() const {
  model::FieldMatrix matrix{.rank = rank_};
  for (uint32_t r = 0; r < rank_; ++r)
    matrix.scales.push_back(e_[r / kRankLanes].value[r % kRankLanes]);
  for (size_t field = 0; field < fields_count_; ++field) {
    for (uint32_t r = 0; r < rank_; ++r) {
      const RankBlock& block = u_[field * RankBlocks(rank_) + r / kRankLanes];
      matrix.factors.push_back(block.value[r % kRankLanes]);
    }
  }
  return matrix;
}

}  // namespace fmserve::trainer
