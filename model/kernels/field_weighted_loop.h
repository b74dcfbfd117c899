// accumulate_fields (accumulate.h) for all instruction sets, which give their registers as a type:
//
//   Vector, kLanes                 a register and its floats
//   Zero(), Set(x), Read(floats)   of zeros, of one number in all lanes, of memory of any alignment
//   Write(vector, floats)
//   Mul(a, b), MulAdd(a, b, c)     a b and a b + c
//   SumLanes(vector)               in double
//   Load<Quantization>(at)         kLanes values of a row, not yet scaled
//   LoadTail<Quantization>(at, n)  the last n of them, n < kLanes, and zeros
//
// All of it is inlined and static, so that nothing of it can end up in code that runs everywhere
// (README.md).
#ifndef FMSERVE_MODEL_KERNELS_FIELD_WEIGHTED_LOOP_H_
#define FMSERVE_MODEL_KERNELS_FIELD_WEIGHTED_LOOP_H_

#include <cstddef>
#include <cstdint>

#include "model/kernels/accumulate.h"
#include "model/kernels/row_offsets.h"

namespace fmserve::model {

// What the passes of one call share.
struct FieldWeightedList {
  const RowsView& rows;
  const FieldFactorsView& matrix;
  const uint32_t* slots;
  const uint8_t* fields;
  const float* xs;
  size_t n;
  const float* sums_in;
  float* sums_out;
  uint32_t padded_k;
};

[[gnu::always_inline]] static inline float ReadFloat(const std::byte* at) {
  float value;
  __builtin_memcpy(&value, at, sizeof(value));
  return value;
}

[[gnu::always_inline]] static inline double LinearPart(const FieldWeightedList& list) {
  double linear = 0.0;
  for (size_t i = 0; i < list.n; ++i) {
    if (list.slots[i] == kNoSlot) continue;
    const std::byte* const row = list.rows.bytes + uint64_t{list.slots[i]} * list.rows.stride_bytes;
    linear += double{ReadFloat(row + kRowW)} * double{list.xs[i]};
  }
  return linear;
}

// Interactions in the factors from `f` on, a register of them, and in kRanks ranks from `rank` on:
// few enough for all their sums to stay in registers.
template <typename Isa, Quantization kQuantization, uint32_t kRanks>
[[gnu::always_inline]] static inline typename Isa::Vector RanksPass(const FieldWeightedList& list,
                                                                    uint32_t rank, uint32_t f,
                                                                    typename Isa::Vector pairs) {
  using Vector = typename Isa::Vector;
  const uint32_t left = list.rows.k - f;
  const size_t offset = kRowValues + f * kValueBytes<kQuantization>;
  const size_t first_sum = size_t{rank} * list.padded_k + f;
  Vector sums[kRanks];
#pragma GCC unroll 8
  for (uint32_t r = 0; r < kRanks; ++r)
    sums[r] = Isa::Read(list.sums_in + first_sum + r * list.padded_k);
  for (size_t i = 0; i < list.n; ++i) {
    if (list.slots[i] == kNoSlot) continue;
    const std::byte* const row = list.rows.bytes + uint64_t{list.slots[i]} * list.rows.stride_bytes;
    const float x =
        kQuantization == Quantization::kInt8 ? list.xs[i] * ReadFloat(row + kRowScale) : list.xs[i];
    const Vector v = left >= Isa::kLanes
                         ? Isa::template Load<kQuantization>(row + offset)
                         : Isa::template LoadTail<kQuantization>(row + offset, left);
    const Vector xv = Isa::Mul(Isa::Set(x), v);
    const float* const u =
        list.matrix.factors + size_t{list.fields[i]} * 2 * list.matrix.rank + rank;
    const float* const signed_u = u + list.matrix.rank;
    // All that stood before, as this field sees it.
    Vector seen = Isa::Mul(Isa::Set(signed_u[0]), sums[0]);
#pragma GCC unroll 8
    for (uint32_t r = 1; r < kRanks; ++r) seen = Isa::MulAdd(Isa::Set(signed_u[r]), sums[r], seen);
    pairs = Isa::MulAdd(xv, seen, pairs);
#pragma GCC unroll 8
    for (uint32_t r = 0; r < kRanks; ++r) sums[r] = Isa::MulAdd(Isa::Set(u[r]), xv, sums[r]);
  }
  if (list.sums_out != nullptr) {
#pragma GCC unroll 8
    for (uint32_t r = 0; r < kRanks; ++r)
      Isa::Write(sums[r], list.sums_out + first_sum + r * list.padded_k);
  }
  return pairs;
}

template <typename Isa, Quantization kQuantization, uint32_t kRanks>
[[gnu::always_inline]] static inline typename Isa::Vector AllFactors(const FieldWeightedList& list,
                                                                     uint32_t rank,
                                                                     typename Isa::Vector pairs) {
  for (uint32_t f = 0; f < list.rows.k; f += Isa::kLanes)
    pairs = RanksPass<Isa, kQuantization, kRanks>(list, rank, f, pairs);
  return pairs;
}

// Up to 8 ranks at a time; rows are read again for the others, out of the cache.
template <typename Isa, Quantization kQuantization>
[[gnu::always_inline]] static inline double AccumulateFieldWeighted(const FieldWeightedList& list) {
  const double linear = LinearPart(list);
  typename Isa::Vector pairs = Isa::Zero();
  uint32_t rank = 0;
  for (; list.matrix.rank - rank > 8; rank += 8)
    pairs = AllFactors<Isa, kQuantization, 8>(list, rank, pairs);
  switch (list.matrix.rank - rank) {
    case 1:
      pairs = AllFactors<Isa, kQuantization, 1>(list, rank, pairs);
      break;
    case 2:
      pairs = AllFactors<Isa, kQuantization, 2>(list, rank, pairs);
      break;
    case 3:
      pairs = AllFactors<Isa, kQuantization, 3>(list, rank, pairs);
      break;
    case 4:
      pairs = AllFactors<Isa, kQuantization, 4>(list, rank, pairs);
      break;
    case 5:
      pairs = AllFactors<Isa, kQuantization, 5>(list, rank, pairs);
      break;
    case 6:
      pairs = AllFactors<Isa, kQuantization, 6>(list, rank, pairs);
      break;
    case 7:
      pairs = AllFactors<Isa, kQuantization, 7>(list, rank, pairs);
      break;
    default:
      pairs = AllFactors<Isa, kQuantization, 8>(list, rank, pairs);
      break;
  }
  return linear + Isa::SumLanes(pairs);
}

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_KERNELS_FIELD_WEIGHTED_LOOP_H_
