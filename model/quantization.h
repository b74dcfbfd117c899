// Encoding of embedding rows: f32, f16 (IEEE binary16) and int8 with one scale per row.
//
// Error bounds, per element v of a row, for finite |v| <= 65504 (f16) or any finite v (f32, int8):
//
//   f32   0
//   f16   max(|v| * 2^-11, 2^-25): rounded to nearest even; the smallest subnormal is 2^-24
//   int8  max(max_f|v_f| / 254, 2^-119): half a step of scale = max|v| / 127; see EncodeRow
//
// w stays f32 in every encoding. The error of a score follows by expanding its pairs, see
// ScoreErrorBound.
#ifndef FMSERVE_MODEL_QUANTIZATION_H_
#define FMSERVE_MODEL_QUANTIZATION_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "model/types.h"

namespace fmserve::model {

// Writes one row (prefix, v, zero padding) of RowStrideBytes(quantization, v.size()) bytes to
// `row`. InvalidArgument if a value is not finite or does not fit f16, a key is format::kEmptyKey,
// or a size is wrong; names the element. Nothing is written then.
//
// The scale of an int8 row is max|v| / 127 cut to 17 significant bits, so that scale * stored is
// exact in float. A row whose scale would be subnormal (max|v| < 2^-119) is stored as zeros with
// scale 1.
absl::Status EncodeRow(Quantization quantization, uint64_t key, float w, std::span<const float> v,
                       std::span<std::byte> row);

// The embedding that the row stands for: exactly, unless an int8 scale of more than 17 significant
// bits, which EncodeRow never writes, makes float round. v.size() == k. `row` may lie anywhere.
void DecodeRow(Quantization quantization, const std::byte* row, std::span<float> v);

// The largest |decoded - v| over the elements of a row that encodes `v`.
double RowErrorBound(Quantization quantization, std::span<const float> v);

// One feature of a list as ScoreErrorBound needs it: unquantized embedding and weight x.
struct WeightedRow {
  std::span<const float> v;
  double x;
};

// The largest |score of the quantized rows - score of the given rows|, in exact arithmetic, of the
// list: sum over pairs i<j and factors f of |x_i x_j| (|v_if| e_j + |v_jf| e_i + e_i e_j), e =
// RowErrorBound.
double ScoreErrorBound(Quantization quantization, std::span<const WeightedRow> rows);

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_QUANTIZATION_H_
