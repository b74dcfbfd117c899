#include "model/item_table.h"

#include <algorithm>

namespace fmserve::model {
namespace {

// Items whose rows are asked for before the first is needed: bench/folded_bench.cc measures about
// the same from 8 to 32.
constexpr size_t kItemsAhead = 16;
constexpr size_t kLineFloats = 16;

}  // namespace

absl::StatusOr<ItemTable> ItemTable::Allocate(uint32_t items_count, uint32_t k) {
  ItemTable table;
  table.padded_k_ = PaddedK(k);
  const size_t vectors_floats = items_count * table.padded_k_;
  absl::StatusOr<TableMemory> memory =
      TableMemory::Allocate((vectors_floats + items_count) * sizeof(float));
  if (!memory.ok()) return memory.status();
  table.memory_ = *std::move(memory);
  table.vectors_ = reinterpret_cast<float*>(table.memory_.data());
  table.biases_ = table.vectors_ + vectors_floats;
  return table;
}

void ItemTable::Set(uint32_t item, std::span<const float> vector, double bias) {
  std::copy_n(vector.begin(), padded_k_, vectors_ + item * padded_k_);
  biases_[item] = static_cast<float>(bias);
}

void ItemTable::Prefetch(uint32_t item) const {
  const float* const vector = vectors_ + item * padded_k_;
  for (size_t i = 0; i < padded_k_; i += kLineFloats) __builtin_prefetch(vector + i);
  __builtin_prefetch(biases_ + item);
}

void ItemTable::Score(std::span<const uint32_t> items, const Scratch& context, DotFn dot,
                      std::span<float> scores) const {
  const float* const sums = context.context_sums().data();
  for (const uint32_t item : items.first(std::min(kItemsAhead, items.size()))) Prefetch(item);
  for (size_t i = 0; i < items.size(); ++i) {
    if (i + kItemsAhead < items.size()) Prefetch(items[i + kItemsAhead]);
    const uint32_t item = items[i];
    scores[i] = static_cast<float>(context.context_score() + double{biases_[item]} +
                                   dot(vectors_ + item * padded_k_, sums, padded_k_));
  }
}

}  // namespace fmserve::model
