// For any x86-64. Four lanes in a vector of the compiler's own: whatever the target has, SSE2 at
// least.
#include <bit>
#include <cstring>

#include "model/kernels/accumulate.h"
#include "model/kernels/field_weighted_loop.h"
#include "model/kernels/row_offsets.h"

namespace fmserve::model::scalar {
namespace {

// Rows always have room for whole groups of four: values start 16 bytes into a row, and strides are
// multiples of 32.
constexpr uint32_t kLanes = 4;
using Lanes = float __attribute__((vector_size(sizeof(float) * kLanes)));
using Bits = uint32_t __attribute__((vector_size(sizeof(uint32_t) * kLanes)));

template <typename T>
T ReadAs(const void* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// Four factors of a row, not yet scaled.
template <Quantization kQuantization>
Lanes Load(const std::byte* at) {
  if constexpr (kQuantization == Quantization::kF32) {
    return ReadAs<Lanes>(at);
  } else if constexpr (kQuantization == Quantization::kF16) {
    // As in half.h; the halves of a weight file are finite.
    const auto word = ReadAs<uint64_t>(at);
    const Bits halves = {static_cast<uint16_t>(word), static_cast<uint16_t>(word >> 16),
                         static_cast<uint16_t>(word >> 32), static_cast<uint16_t>(word >> 48)};
    const Lanes magnitude = std::bit_cast<Lanes>((halves & 0x7fffU) << 13) * 0x1p112F;
    return std::bit_cast<Lanes>(((halves & 0x8000U) << 16) | std::bit_cast<Bits>(magnitude));
  } else {
    const auto word = ReadAs<uint32_t>(at);
    return Lanes{static_cast<float>(static_cast<int8_t>(word)),
                 static_cast<float>(static_cast<int8_t>(word >> 8)),
                 static_cast<float>(static_cast<int8_t>(word >> 16)),
                 static_cast<float>(static_cast<int8_t>(word >> 24))};
  }
}

double SumLanes(Lanes lanes) {
  return (double{lanes[0]} + double{lanes[1]}) + (double{lanes[2]} + double{lanes[3]});
}

// kFixedK 0 takes k from the rows.
template <Quantization kQuantization, uint32_t kFixedK>
double AccumulateRows(const RowsView& rows, const uint32_t* slots, const float* xs, size_t n,
                      const float* sums_in, float* sums_out) {
  const uint32_t k = kFixedK != 0 ? kFixedK : rows.k;
  const size_t sums_bytes = (k + 15) / 16 * 16 * sizeof(float);
  alignas(64) float sums[kMaxK];
  std::memcpy(sums, sums_in, sums_bytes);
  double linear = 0.0;
  Lanes pairs = {};
  for (size_t i = 0; i < n; ++i) {
    if (slots[i] == kNoSlot) continue;
    const std::byte* row = rows.row(slots[i]);
    linear += double{ReadAs<float>(row + kRowW)} * xs[i];
    const float x =
        kQuantization == Quantization::kInt8 ? xs[i] * ReadAs<float>(row + kRowScale) : xs[i];
    Lanes row_pairs = {};
    for (uint32_t f = 0; f < k; f += kLanes) {
      const Lanes xv = x * Load<kQuantization>(row + kRowValues + f * kValueBytes<kQuantization>);
      const auto sum = ReadAs<Lanes>(sums + f);
      row_pairs += xv * sum;
      const Lanes next = sum + xv;
      std::memcpy(sums + f, &next, sizeof(next));
    }
    pairs += row_pairs;
  }
  if (sums_out != nullptr) std::memcpy(sums_out, sums, sums_bytes);
  return linear + SumLanes(pairs);
}

template <Quantization kQuantization>
AccumulateFn ForK(uint32_t k) {
  switch (k) {
    case 8:
      return AccumulateRows<kQuantization, 8>;
    case 16:
      return AccumulateRows<kQuantization, 16>;
    case 32:
      return AccumulateRows<kQuantization, 32>;
    case 64:
      return AccumulateRows<kQuantization, 64>;
    default:
      return AccumulateRows<kQuantization, 0>;
  }
}

// For field_weighted_loop.h.
struct Registers {
  using Vector = Lanes;
  static constexpr uint32_t kLanes = scalar::kLanes;

  static Lanes Zero() { return Lanes{}; }
  static Lanes Set(float x) { return Lanes{x, x, x, x}; }
  static Lanes Read(const float* at) { return ReadAs<Lanes>(at); }
  static void Write(Lanes lanes, float* at) { std::memcpy(at, &lanes, sizeof(lanes)); }
  static Lanes Mul(Lanes a, Lanes b) { return a * b; }
  static Lanes MulAdd(Lanes a, Lanes b, Lanes c) { return a * b + c; }
  static double SumLanes(Lanes lanes) { return scalar::SumLanes(lanes); }
  template <Quantization kQuantization>
  static Lanes Load(const std::byte* at) {
    return scalar::Load<kQuantization>(at);
  }
  template <Quantization kQuantization>
  static Lanes LoadTail(const std::byte* at, uint32_t /*count*/) {
    return scalar::Load<kQuantization>(at);
  }
};

template <Quantization kQuantization>
double AccumulateFieldsOf(const RowsView& rows, const FieldFactorsView& matrix,
                          const uint32_t* slots, const uint8_t* fields, const float* xs, size_t n,
                          // NOLINTNEXTLINE(readability-non-const-parameter): it goes into the list
                          const float* sums_in, float* sums_out) {
  return AccumulateFieldWeighted<Registers, kQuantization>({.rows = rows,
                                                            .matrix = matrix,
                                                            .slots = slots,
                                                            .fields = fields,
                                                            .xs = xs,
                                                            .n = n,
                                                            .sums_in = sums_in,
                                                            .sums_out = sums_out,
                                                            .padded_k = (rows.k + 15) / 16 * 16});
}

}  // namespace

AccumulateFn Accumulate(Quantization quantization, uint32_t k) {
  switch (quantization) {
    case Quantization::kF32:
      return ForK<Quantization::kF32>(k);
    case Quantization::kF16:
      return ForK<Quantization::kF16>(k);
    case Quantization::kInt8:
      return ForK<Quantization::kInt8>(k);
  }
  return nullptr;
}

AccumulateFieldsFn AccumulateFields(Quantization quantization) {
  switch (quantization) {
    case Quantization::kF32:
      return AccumulateFieldsOf<Quantization::kF32>;
    case Quantization::kF16:
      return AccumulateFieldsOf<Quantization::kF16>;
    case Quantization::kInt8:
      return AccumulateFieldsOf<Quantization::kInt8>;
  }
  return nullptr;
}

double Dot(const float* a, const float* b, size_t padded_k) {
  Lanes lanes = {};
  for (size_t f = 0; f < padded_k; f += kLanes)
    lanes += ReadAs<Lanes>(a + f) * ReadAs<Lanes>(b + f);
  return SumLanes(lanes);
}

}  // namespace fmserve::model::scalar
