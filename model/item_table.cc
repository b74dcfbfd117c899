#include "model/item_table.h"

#include <algorithm>

#include "model/int8_rows.h"

namespace fmserve::model {

absl::StatusOr<ItemTable> ItemTable::Allocate(uint32_t items_count, uint32_t k, ItemVectors vectors,
                                              const KernelTable& kernels) {
  ItemTable table;
  table.items_count_ = items_count;
  table.k_ = k;
  table.vectors_ = vectors;
  table.kernels_ = &kernels;
  const size_t item_bytes =
      vectors == ItemVectors::kF32 ? (PaddedK(k) + 1) * sizeof(float) : size_t{Int8RowBytes(k)};
  absl::StatusOr<TableMemory> memory = TableMemory::Allocate(items_count * item_bytes);
  if (!memory.ok()) return memory.status();
  table.memory_ = *std::move(memory);
  return table;
}

F32ItemRows ItemTable::f32_rows() const {
  const size_t padded_k = PaddedK(k_);
  const auto* const vectors = reinterpret_cast<const float*>(memory_.data());
  return {.vectors = vectors, .biases = vectors + items_count_ * padded_k, .padded_k = padded_k};
}

Int8ItemRows ItemTable::int8_rows() const {
  return {
      .bytes = memory_.data(), .row_bytes = Int8RowBytes(k_), .in_low_bits = Int8RowInLowBits(k_)};
}

void ItemTable::Set(uint32_t item, std::span<const float> vector, double bias) {
  const auto float_bias = static_cast<float>(bias);
  if (vectors_ == ItemVectors::kInt8) {
    const size_t row_bytes = Int8RowBytes(k_);
    EncodeInt8Row(vector.first(k_), float_bias,
                  std::span(memory_.data() + item * row_bytes, row_bytes));
    return;
  }
  auto* const vectors = reinterpret_cast<float*>(memory_.data());
  std::ranges::copy(vector, vectors + item * PaddedK(k_));
  vectors[items_count_ * PaddedK(k_) + item] = float_bias;
}

void ItemTable::Score(std::span<const uint32_t> items, const Scratch& context,
                      std::span<float> scores) const {
  const std::span<const float> sums = context.context_sums();
  const double score = context.context_score();
  if (vectors_ == ItemVectors::kInt8) {
    kernels_->score_int8_items(int8_rows(), items.data(), items.size(),
                               QuantizeContext(sums.first(k_), score), scores.data());
    return;
  }
  kernels_->score_f32_items(f32_rows(), items.data(), items.size(),
                            {.sums = sums.data(), .score = score}, scores.data());
}

}  // namespace fmserve::model
