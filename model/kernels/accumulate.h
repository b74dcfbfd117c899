// What a kernel computes, and the functions of each instruction set. Plain types only: avx2.cc and
// avx512.cc include this file, and an inline function that they used could end up in code that runs
// everywhere (README.md).
#ifndef FMSERVE_MODEL_KERNELS_ACCUMULATE_H_
#define FMSERVE_MODEL_KERNELS_ACCUMULATE_H_

#include <cstddef>
#include <cstdint>

#include "model/row_layout.h"

namespace fmserve::model {

// Adds a list of features to a factorization machine:
//
//   s_0 = sums_in;   s_i = s_{i-1} + x_i v_i;   returns  sum_i ( w_i x_i + x_i <v_i, s_{i-1}> )
//
// which is the linear part of the list plus the interactions of its features with each other and
// with everything that sums_in holds: Rendle's identity without its subtraction of squares, at the
// same cost and without cancellation. Entries of `slots` that are kNoSlot are skipped. `sums_in`
// and `sums_out` hold PaddedK(k) floats (kernels.h), zero beyond k, fastest when 64-byte aligned;
// `sums_out` (may be null, may be sums_in) receives s_n. Reads nothing outside the rows that
// `slots` names, and takes their padding for the zeros that the format demands. Does not allocate.
//
// Error budget, against the same sum over the same stored rows in exact arithmetic: 1e-6 * M, where
//
//   M = sum_i |w_i x_i| + sum_{i<j} |x_i x_j| sum_f |v_if v_jf|
//
// so 1e-6 relative wherever signs do not cancel. Products and partial sums are float lanes, one sum
// per factor; lanes and linear parts are added in double. The budget is measured, for n <= 128
// features with those of sums_in counted. At worst, for any data and any n, roundings add up to
//
//   (n + k / 4 + 8) * 2^-24 * M
//
using AccumulateFn = double (*)(const RowsView& rows, const uint32_t* slots, const float* xs,
                                size_t n, const float* sums_in, float* sums_out);

// The field matrix of a field-weighted model (field_matrix.h, field_factors.h): per field `rank`
// factors u_fr, then the same with the sign of e_r each. Unowned.
struct FieldFactorsView {
  const float* factors = nullptr;
  uint32_t rank = 0;  // 1 to 16
};

// Adds a list of features to a field-weighted factorization machine: for each rank r
//
//   s_0r = sums_in[r];   s_ir = s_{i-1,r} + u_{f_i,r} x_i v_i
//
// and returns  sum_i ( w_i x_i + x_i <v_i, sum_r sign(e_r) u_{f_i,r} s_{i-1,r}> ), where f_i =
// fields[i] names factors of the view. `sums_in` holds `rank` times PaddedK(k) floats, zero beyond
// k in each; `sums_out`, null or sums_in, receives s_n. All else, budget and bound too, is as for
// AccumulateFn, with n + rank for n and the M of all ranks:
//
//   M = sum_i |w_i x_i| + sum_{i<j} sum_r |u_{f_i,r} u_{f_j,r} x_i x_j| sum_f |v_if v_jf|
//
using AccumulateFieldsFn = double (*)(const RowsView& rows, const FieldFactorsView& matrix,
                                      const uint32_t* slots, const uint8_t* fields, const float* xs,
                                      size_t n, const float* sums_in, float* sums_out);

// <a, b> over PaddedK(k) floats of any alignment, within the same budget.
using DotFn = double (*)(const float* a, const float* b, size_t padded_k);

// Accumulate: the fastest function for rows of this quantization and k, 1 <= k <= kMaxK.
// AccumulateFields: that for rows of this quantization, of any rank and k with rank * k <= kMaxK.
namespace scalar {
AccumulateFn Accumulate(Quantization quantization, uint32_t k);
AccumulateFieldsFn AccumulateFields(Quantization quantization);
double Dot(const float* a, const float* b, size_t padded_k);
}  // namespace scalar

namespace avx2 {  // AVX2, FMA and F16C
AccumulateFn Accumulate(Quantization quantization, uint32_t k);
AccumulateFieldsFn AccumulateFields(Quantization quantization);
double Dot(const float* a, const float* b, size_t padded_k);
}  // namespace avx2

namespace avx512 {  // AVX-512 F, BW, DQ and VL
AccumulateFn Accumulate(Quantization quantization, uint32_t k);
AccumulateFieldsFn AccumulateFields(Quantization quantization);
double Dot(const float* a, const float* b, size_t padded_k);
}  // namespace avx512

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_KERNELS_ACCUMULATE_H_
