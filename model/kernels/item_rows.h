// Scores of folded items that lie as rows all over memory, and the functions of each instruction
// set. Plain types only, as in accumulate.h (README.md).
#ifndef FMSERVE_MODEL_KERNELS_ITEM_ROWS_H_
#define FMSERVE_MODEL_KERNELS_ITEM_ROWS_H_

#include <cstddef>
#include <cstdint>

#include "model/types.h"

namespace fmserve::model {

// (vector, bias) of each item.
struct F32ItemRows {
  const float* vectors = nullptr;  // padded_k each, 64-byte aligned
  const float* biases = nullptr;
  size_t padded_k = 0;  // PaddedK(k)
};

// A context: PaddedK(k) sums, zero beyond k, and the score that all items share.
struct F32Context {
  const float* sums = nullptr;
  double score = 0.0;
};

// Rows of `row_bytes`, a multiple of 32, 64-byte aligned where that is one of 64. A row is a vector
// of int8 factors q_f with scale and bias of the item, two floats, in one of two places
// (int8_rows.h says when which):
//
//   behind the factors   in the last 8 bytes of the row
//   in the low bits      bit i of the scale is the low bit of q_i, bit i of the bias that of
//                        q_(32+i). The low bits belong to the factors, too.
struct Int8ItemRows {
  const std::byte* bytes = nullptr;
  uint32_t row_bytes = 0;
  bool in_low_bits = false;
};

// A context in 15 bits: its factor is scale * p_f, give or take; p_f = 0 where a row has no factor.
inline constexpr int kInt8ContextLargest = 16383;
struct Int8Context {
  double score = 0.0;
  float scale = 0.0F;
  alignas(64) int16_t factors[kMaxK] = {};  // p_f
};

// scores[i] = context.score + bias + <vector, sums> of items[i], in double but for the float lanes
// of DotFn. `items` may name a row more than once.
using ScoreF32ItemsFn = void (*)(const F32ItemRows& rows, const uint32_t* items, size_t n,
                                 const F32Context& context, float* scores);

// scores[i] = context.score + bias + a * sum_f p_f q_f of items[i], with the float a = scale *
// context.scale and all else in double. The sum is below 2^29, so that its product with `a` is
// exact, and all implementations give the same bits.
using ScoreInt8ItemsFn = void (*)(const Int8ItemRows& rows, const uint32_t* items, size_t n,
                                  const Int8Context& context, float* scores);

namespace scalar {
void ScoreF32Items(const F32ItemRows& rows, const uint32_t* items, size_t n,
                   const F32Context& context, float* scores);
void ScoreInt8Items(const Int8ItemRows& rows, const uint32_t* items, size_t n,
                    const Int8Context& context, float* scores);
}  // namespace scalar

namespace avx2 {  // AVX2 and FMA
void ScoreF32Items(const F32ItemRows& rows, const uint32_t* items, size_t n,
                   const F32Context& context, float* scores);
void ScoreInt8Items(const Int8ItemRows& rows, const uint32_t* items, size_t n,
                    const Int8Context& context, float* scores);
}  // namespace avx2

namespace avx512 {  // AVX-512 F, BW, DQ and VL
void ScoreF32Items(const F32ItemRows& rows, const uint32_t* items, size_t n,
                   const F32Context& context, float* scores);
void ScoreInt8Items(const Int8ItemRows& rows, const uint32_t* items, size_t n,
                    const Int8Context& context, float* scores);
}  // namespace avx512

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_KERNELS_ITEM_ROWS_H_
