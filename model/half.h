// IEEE 754 binary16 <-> float without F16C, for code that runs on any x86-64.
// (kernels/avx2.cc and avx512.cc use the hardware's conversion and must not include this:
// kernels/README.md.)
#ifndef FMSERVE_MODEL_HALF_H_
#define FMSERVE_MODEL_HALF_H_

#include <bit>
#include <cstdint>

namespace fmserve::model {

inline constexpr float kMaxHalf = 65504.0F;

// Exact. Infinities and NaNs stay what they are.
constexpr float FloatFromHalf(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000U} << 16;
  const uint32_t magnitude = uint32_t{half & 0x7fffU} << 13;
  if (magnitude >= 0x7c00U << 13) {
    return std::bit_cast<float>(sign | 0x7f800000U | magnitude);
  }
  // The half's bits read as a float are 2^112 too small, subnormal halves included.
  const float value = std::bit_cast<float>(magnitude) * 0x1p112F;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(value));
}

// Rounds to nearest, ties to even; what rounds beyond kMaxHalf becomes infinite, NaN stays NaN.
constexpr uint16_t HalfFromFloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000U;
  const uint32_t magnitude = bits & 0x7fffffffU;
  uint32_t half = 0;
  if (magnitude > 0x7f800000U) {
    half = 0x7e00U;
  } else if (magnitude >= std::bit_cast<uint32_t>(65520.0F)) {
    half = 0x7c00U;
  } else if (magnitude < std::bit_cast<uint32_t>(0x1p-14F)) {
    // Subnormal: one unit in the last place of a float in [0.5, 1) is that of a subnormal half,
    // 2^-24.
    half = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) -
           std::bit_cast<uint32_t>(0.5F);
  } else {
    const uint32_t odd = (magnitude >> 13) & 1U;
    half = (magnitude + 0xfffU + odd - (112U << 23)) >> 13;
  }
  return static_cast<uint16_t>(sign | half);
}

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_HALF_H_
