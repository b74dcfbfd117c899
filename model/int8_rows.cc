#include "model/int8_rows.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>

namespace fmserve::model {
namespace {

constexpr int kLargest = 127;
constexpr size_t kLowBits = 64;  // of scale and bias

float LargestMagnitude(std::span<const float> values) {
  float largest = 0.0F;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

// Of -127 to 127, the nearest to `value` that has this low bit.
int NearestWithLowBit(double value, int low_bit) {
  const int half = static_cast<int>(std::lrint((value - low_bit) / 2.0));
  return std::clamp(2 * half + low_bit, -kLargest + (1 - low_bit), kLargest - (1 - low_bit));
}

}  // namespace

void EncodeInt8Row(std::span<const float> factors, float bias, std::span<std::byte> row) {
  const auto k = static_cast<uint32_t>(factors.size());
  assert(row.size() == Int8RowBytes(k));
  const float scale = LargestMagnitude(factors) / kLargest;
  // The factors in units of the scale; a scale that is zero or too small for floats loses them.
  const double units = scale > 0.0F ? 1.0 / scale : 0.0;
  const uint64_t scale_and_bias =
      std::bit_cast<uint32_t>(scale) | uint64_t{std::bit_cast<uint32_t>(bias)} << 32;
  const bool in_low_bits = Int8RowInLowBits(k);
  for (size_t f = 0; f < row.size(); ++f) {
    const double value = f < k ? factors[f] * units : 0.0;
    const int q =
        in_low_bits && f < kLowBits
            ? NearestWithLowBit(value, static_cast<int>(scale_and_bias >> f & 1))
            : static_cast<int>(std::lrint(std::clamp(value, -double{kLargest}, double{kLargest})));
    row[f] = static_cast<std::byte>(static_cast<int8_t>(q));
  }
  if (in_low_bits) return;
  std::memcpy(row.data() + row.size() - sizeof(scale_and_bias), &scale_and_bias,
              sizeof(scale_and_bias));
}

Int8Context QuantizeContext(std::span<const float> sums, double score) {
  Int8Context context = {.score = score};
  // Bits of magnitudes are in their order, and what is not finite comes behind all that is.
  uint32_t largest_bits = 0;
  for (const float sum : sums)
    largest_bits = std::max(largest_bits, std::bit_cast<uint32_t>(std::abs(sum)));
  const auto largest = std::bit_cast<float>(largest_bits);
  if (!std::isfinite(largest)) {
    context.scale = std::numeric_limits<float>::quiet_NaN();
    return context;
  }
  if (largest == 0.0F) return context;
  context.scale = largest / kInt8ContextLargest;
  const double units = kInt8ContextLargest / double{largest};
  for (size_t f = 0; f < sums.size(); ++f)
    context.factors[f] = static_cast<int16_t>(std::lrint(sums[f] * units));
  return context;
}

}  // namespace fmserve::model
