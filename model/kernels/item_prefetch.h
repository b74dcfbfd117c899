// Asking memory for rows of items. All of it is inlined and static, so that nothing of it can end
// up in code that runs everywhere (README.md); and inlined by force, because GCC 12 takes a
// function that only prefetches for one without effects, and drops calls of it.
#ifndef FMSERVE_MODEL_KERNELS_ITEM_PREFETCH_H_
#define FMSERVE_MODEL_KERNELS_ITEM_PREFETCH_H_

#include <cstddef>
#include <cstdint>

#include "model/kernels/item_rows.h"

namespace fmserve::model {

// How many lines of 64 bytes, and how many rows at most, are asked for before they are needed.
inline constexpr size_t kItemLinesAhead = 128;
inline constexpr size_t kItemRowsAhead = 64;

[[gnu::always_inline]] static inline size_t RowsAhead(size_t row_bytes) {
  const size_t rows = kItemLinesAhead * 64 / row_bytes;
  return rows < kItemRowsAhead ? rows : kItemRowsAhead;
}
[[gnu::always_inline]] static inline size_t RowsAhead(const F32ItemRows& rows) {
  return RowsAhead(rows.padded_k * sizeof(float));
}
[[gnu::always_inline]] static inline size_t RowsAhead(const Int8ItemRows& rows) {
  return RowsAhead(rows.row_bytes);
}

// Into L2: a core has some 16 reads into L1 under way, and three times as many into L2
// (docs/decisions/0014-rows-are-read-ahead-of-the-score.md).
[[gnu::always_inline]] static inline void PrefetchLine(const void* line) {
  __builtin_prefetch(line, /*for reading*/ 0, /*into L2*/ 2);
}

[[gnu::always_inline]] static inline void PrefetchItem(const F32ItemRows& rows, uint32_t item) {
  const float* const vector = rows.vectors + item * rows.padded_k;
  for (size_t f = 0; f < rows.padded_k; f += 16) PrefetchLine(vector + f);
  PrefetchLine(rows.biases + item);
}

[[gnu::always_inline]] static inline void PrefetchItem(const Int8ItemRows& rows, uint32_t item) {
  const std::byte* const row = rows.bytes + size_t{item} * rows.row_bytes;
  for (size_t i = 0; i < rows.row_bytes; i += 64) PrefetchLine(row + i);
}

// The first rows of a request.
template <typename Rows>
[[gnu::always_inline]] static inline void PrefetchFirst(const Rows& rows, const uint32_t* items,
                                                        size_t n) {
  const size_t ahead = RowsAhead(rows);
  for (size_t i = 0; i < ahead && i < n; ++i) PrefetchItem(rows, items[i]);
}

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_KERNELS_ITEM_PREFETCH_H_
