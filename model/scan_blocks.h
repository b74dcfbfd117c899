// Folded items in int8, laid out for the scan (kernels/scan.h), with all that its error bound
// needs. docs/decisions/0040-exact-top-k.md proves the bound. Internal to model/.
#ifndef FMSERVE_MODEL_SCAN_BLOCKS_H_
#define FMSERVE_MODEL_SCAN_BLOCKS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checkpoint.h"
#include "model/kernels/kernels.h"
#include "model/table_memory.h"

namespace fmserve::model {

// What no item of a group, nor any after it, exceeds.
struct ScanBound {
  double norm = 0.0;       // of an item's vector
  double bias = 0.0;       // within the group
  double bias_rest = 0.0;  // from the group on
};

// What a score lies between.
struct ScoreRange {
  double lower = 0.0;
  double upper = 0.0;
};

// Built once, by one thread; then immutable and safe from any thread. Items stand in an order of
// the caller's choice, which pays when norms descend. Movable.
class ScanBlocks {
 public:
  ScanBlocks() = default;

  // Room for `items_count` items of `k` factors, on huge pages where the system has them.
  // ResourceExhausted when there is no memory.
  static absl::StatusOr<ScanBlocks> Allocate(uint32_t items_count, uint32_t k);

  uint32_t blocks_count() const { return (items_count_ + kScanBlockItems - 1) / kScanBlockItems; }
  uint32_t groups_count() const { return (items_count_ + kScanGroupItems - 1) / kScanGroupItems; }

  // Items of that block: 16 but for the last.
  uint32_t ItemsOf(uint32_t block) const;

  // Encodes one block: ItemsOf(block) vectors of PaddedK(k) floats, one after the other, and their
  // biases, all finite.
  void Encode(uint32_t block, std::span<const float> vectors, std::span<const double> biases);

  // After the last Encode.
  void Finish();

  // After Finish. What no item exceeds in absolute value.
  double max_norm() const { return bounds_.empty() ? 0.0 : bounds_.front().norm; }
  double max_abs_bias() const { return max_abs_bias_; }
  const ScanBound& bound(uint32_t group) const { return bounds_[group]; }
  ScanGroup group(uint32_t group) const;
  // Of the hits of all groups, for a RefineFn.
  const std::byte* rows() const { return memory_.data() + rows_begin_; }
  size_t bytes() const { return memory_.size(); }

  // Asks memory for a block that will be scanned. Inlined by force, as kernels/item_prefetch.h
  // says.
  [[gnu::always_inline]] void Prefetch(uint32_t block) const {
    for (size_t i = 0; i < block_bytes_; i += 64)
      __builtin_prefetch(this->block(block) + i, /*for reading*/ 0, /*into L2*/ 2);
  }

  // As TableMemory: nothing may be read after that.
  absl::Status ReleasePages(Checkpoint checkpoint) const {
    return memory_.ReleasePages(checkpoint);
  }

  // The context in int8. NaN as scale, which makes every item a hit whose score may be anything,
  // when scores may leave the range in which floats behave.
  ScanContext Quantize(std::span<const float> sums) const;

  // The threshold of a ScanFn that finds all items of the group that score `least` or more.
  float ThresholdFor(const ScanContext& context, uint32_t group, double least) const;

  // What the score of a refined hit, less the score of the context, lies between.
  ScoreRange RangeOf(const ScanContext& context, const ScanHit& hit) const;

 private:
  // What the error of a score depends on beside the heads of blocks.
  struct Loss {
    double stored_norm = 0.0;     // of the group: at least that of what is stored of an item
    double residual_ratio = 0.0;  // what both planes lose is at most an item's scale times this
  };

  std::byte* block(uint32_t block) const { return memory_.data() + block * block_bytes_; }
  std::byte* row(uint32_t item) const;
  double ContextError(const ScanContext& context, uint32_t group) const;

  uint32_t items_count_ = 0;
  uint32_t k_ = 0;
  uint32_t pairs_count_ = 0;
  size_t block_bytes_ = 0;
  size_t row_bytes_ = 0;
  size_t rows_begin_ = 0;  // where the rows begin
  TableMemory memory_;
  std::vector<ScanBound> bounds_;
  std::vector<Loss> losses_;
  double max_abs_bias_ = 0.0;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_SCAN_BLOCKS_H_
