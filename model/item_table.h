// The folded items of a catalogue as rows, for scores of items that a request names. Internal to
// model/.
#ifndef FMSERVE_MODEL_ITEM_TABLE_H_
#define FMSERVE_MODEL_ITEM_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checkpoint.h"
#include "model/kernels/kernels.h"
#include "model/scorer.h"
#include "model/table_memory.h"

namespace fmserve::model {

// (vector, bias) of each item in f32. Filled once, by one thread; then immutable and safe from any
// thread. Movable.
class ItemTable {
 public:
  ItemTable() = default;

  // 4 (PaddedK(k) + 1) bytes per item. ResourceExhausted.
  static absl::StatusOr<ItemTable> Allocate(uint32_t items_count, uint32_t k);

  // `vector`: PaddedK(k) floats.
  void Set(uint32_t item, std::span<const float> vector, double bias);

  // scores[i] = context_score + bias + <vector, context sums> of items[i], for the context that
  // `context` holds. The sizes are the same.
  void Score(std::span<const uint32_t> items, const Scratch& context, DotFn dot,
             std::span<float> scores) const;

  size_t bytes() const { return memory_.size(); }

  // As TableMemory: nothing may be read after that.
  absl::Status ReleasePages(Checkpoint checkpoint) const {
    return memory_.ReleasePages(checkpoint);
  }

 private:
  void Prefetch(uint32_t item) const;

  TableMemory memory_;
  size_t padded_k_ = 0;
  float* vectors_ = nullptr;
  float* biases_ = nullptr;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_ITEM_TABLE_H_
