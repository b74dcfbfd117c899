// Folded items as rows of int8, and contexts to score them with. Internal to model/.
//
// A factor is scale * q with an integer q of -127 to 127; scale is the largest |factor| of the item
// over 127. A row is to touch no more cache lines than its factors alone would, so that where scale
// and bias do not fit behind the factors (k = 64: 64 bytes of a line), they are the low bits of the
// first 64 of them: q is then the nearest integer whose low bit is the one wanted.
//
// What a score is off by, against the same in exact arithmetic, with v the item's factors and u the
// context's:
//
//   max|v| / 127 * (c sum_f |u_f| + k max|u| / 255) + 2^-21 (|score of the context| + |bias|)
//
// where c is 1/2, or 1 with low bits. The first term is that of q, half a unit or a whole one each;
// the second covers the context, whose units are max|u| / 16383, and roundings to float.
// docs/decisions/0044-item-vectors-in-int8.md.
#ifndef FMSERVE_MODEL_INT8_ROWS_H_
#define FMSERVE_MODEL_INT8_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "model/kernels/kernels.h"

namespace fmserve::model {

// Whether rows of k factors have scale and bias in the low bits: where 8 bytes more would begin
// another line.
constexpr bool Int8RowInLowBits(uint32_t k) { return (k - 1) % 64 >= 56; }

// A multiple of 32; of 64 with low bits.
constexpr uint32_t Int8RowBytes(uint32_t k) {
  return Int8RowInLowBits(k) ? (k + 63) / 64 * 64 : (k + 8 + 31) / 32 * 32;
}

// `row` is Int8RowBytes(factors.size()) long. Factors and bias are finite.
void EncodeInt8Row(std::span<const float> factors, float bias, std::span<std::byte> row);

// `sums`: the k of the context. A scale of NaN, and so no score, when one of them is not finite.
Int8Context QuantizeContext(std::span<const float> sums, double score);

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_INT8_ROWS_H_
