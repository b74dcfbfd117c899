// Folded items on any x86-64.
#include <algorithm>
#include <cstring>

#include "model/kernels/accumulate.h"
#include "model/kernels/item_prefetch.h"
#include "model/kernels/item_rows.h"

namespace fmserve::model::scalar {
namespace {

template <typename T>
T ReadAs(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// Bit i of the result: the low bit of byte i.
uint64_t LowBits(const std::byte* at) {
  constexpr uint64_t kLow = 0x0101010101010101U;
  constexpr uint64_t kGather = 0x0102040810204080U;  // moves bit 8 i to bit 56 + i
  return ((ReadAs<uint64_t>(at) & kLow) * kGather) >> 56;
}

float FloatInLowBits(const std::byte* at) {
  uint32_t bits = 0;
  for (uint32_t i = 0; i < 4; ++i) bits |= static_cast<uint32_t>(LowBits(at + i * 8)) << (8 * i);
  float value = 0.0F;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

int SumOfProducts(const std::byte* row, size_t row_bytes, const int16_t* factors) {
  int sum = 0;
  for (size_t f = 0; f < row_bytes; ++f) sum += int{ReadAs<int8_t>(row + f)} * int{factors[f]};
  return sum;
}

}  // namespace

void ScoreF32Items(const F32ItemRows& rows, const uint32_t* items, size_t n,
                   const F32Context& context, float* scores) {
  const size_t ahead = RowsAhead(rows);
  PrefetchFirst(rows, items, n);
  for (size_t i = 0; i < n; ++i) {
    if (i + ahead < n) PrefetchItem(rows, items[i + ahead]);
    const double dot = Dot(rows.vectors + items[i] * rows.padded_k, context.sums, rows.padded_k);
    scores[i] = static_cast<float>(context.score + double{rows.biases[items[i]]} + dot);
  }
}

void ScoreInt8Items(const Int8ItemRows& rows, const uint32_t* items, size_t n,
                    const Int8Context& context, float* scores) {
  const size_t ahead = RowsAhead(rows);
  PrefetchFirst(rows, items, n);
  for (size_t i = 0; i < n; ++i) {
    if (i + ahead < n) PrefetchItem(rows, items[i + ahead]);
    const std::byte* const row = rows.bytes + size_t{items[i]} * rows.row_bytes;
    const std::byte* const end = row + rows.row_bytes;
    const float scale = rows.in_low_bits ? FloatInLowBits(row) : ReadAs<float>(end - 8);
    const float bias = rows.in_low_bits ? FloatInLowBits(row + 32) : ReadAs<float>(end - 4);
    const float factor = scale * context.scale;
    const int sum = SumOfProducts(row, rows.row_bytes, context.factors);
    scores[i] = static_cast<float>(context.score + double{bias} + double{factor} * sum);
  }
}

}  // namespace fmserve::model::scalar
