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

// How the vectors of items are kept: as they were summed, or in int8 within the bound of
// int8_rows.h.
enum class ItemVectors : uint8_t { kF32, kInt8 };

// (vector, bias) of each item. Filled once, by one thread; then immutable and safe from any thread.
// Movable.
class ItemTable {
 public:
  ItemTable() = default;

  // Per item 4 (PaddedK(k) + 1) bytes in f32, Int8RowBytes(k) in int8. `kernels` must outlive the
  // table. ResourceExhausted.
  static absl::StatusOr<ItemTable> Allocate(uint32_t items_count, uint32_t k, ItemVectors vectors,
                                            const KernelTable& kernels);

  // `vector`: PaddedK(k) floats, finite as the bias is.
  void Set(uint32_t item, std::span<const float> vector, double bias);

  // scores[i] = context_score + bias + <vector, context sums> of items[i], for the context that
  // `context` holds. The sizes are the same.
  void Score(std::span<const uint32_t> items, const Scratch& context,
             std::span<float> scores) const;

  size_t bytes() const { return memory_.size(); }

  // As TableMemory: nothing may be read after that.
  absl::Status ReleasePages(Checkpoint checkpoint) const {
    return memory_.ReleasePages(checkpoint);
  }

 private:
  F32ItemRows f32_rows() const;
  Int8ItemRows int8_rows() const;

  uint32_t items_count_ = 0;
  uint32_t k_ = 0;
  ItemVectors vectors_ = ItemVectors::kF32;
  const KernelTable* kernels_ = nullptr;
  TableMemory memory_;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_ITEM_TABLE_H_
