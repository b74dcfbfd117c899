#include "model/quantization.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/half.h"
#include "model/row_layout.h"
#include "model/weight_format.h"

namespace fmserve::model {
namespace {

// Below it, max|v| / 127 is no normal float.
constexpr float kSmallestInt8Row = 0x1p-119F;

float MaxMagnitude(std::span<const float> v) {
  float max = 0.0F;
  for (const float value : v) max = std::max(max, std::abs(value));
  return max;
}

absl::Status CheckRow(Quantization quantization, uint64_t key, float w, std::span<const float> v,
                      size_t row_bytes) {
  if (key == format::kEmptyKey) {
    return absl::InvalidArgumentError("key 0 marks an empty slot and cannot have a row");
  }
  if (v.empty() || v.size() > kMaxK) {
    return absl::InvalidArgumentError(
        absl::StrCat("a row has 1 to ", kMaxK, " factors, not ", v.size()));
  }
  const uint32_t stride_bytes = RowStrideBytes(quantization, static_cast<uint32_t>(v.size()));
  if (row_bytes != stride_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("a row of ", v.size(), " factors takes ",
                                                   stride_bytes, " bytes, not ", row_bytes));
  }
  if (!std::isfinite(w)) return absl::InvalidArgumentError(absl::StrCat("w is ", w));
  for (size_t f = 0; f < v.size(); ++f) {
    if (!std::isfinite(v[f]))
      return absl::InvalidArgumentError(absl::StrCat("v[", f, "] is ", v[f]));
    if (quantization == Quantization::kF16 && std::abs(v[f]) > kMaxHalf) {
      return absl::InvalidArgumentError(absl::StrCat(
          "v[", f, "] is ", v[f], ", beyond the range of f16 (65504); use f32 or int8"));
    }
  }
  return absl::OkStatus();
}

// max / 127, cut to 17 significant bits: times an int8 it fits the 24 of a float. 127 * scale <=
// max, so nothing overflows, and what max loses by the cut (2^-16 of it) is less than half a step.
float Int8Scale(float max) {
  if (max < kSmallestInt8Row) return 1.0F;
  constexpr uint64_t kFirst17Bits = ~((uint64_t{1} << 36) - 1);  // of a double's 53
  return static_cast<float>(
      std::bit_cast<double>(std::bit_cast<uint64_t>(max / 127.0) & kFirst17Bits));
}

int8_t QuantizeInt8(float value, float scale) {
  const double steps = std::nearbyint(double{value} / scale);
  return static_cast<int8_t>(std::clamp(steps, -127.0, 127.0));
}

}  // namespace

absl::Status EncodeRow(Quantization quantization, uint64_t key, float w, std::span<const float> v,
                       std::span<std::byte> row) {
  if (absl::Status status = CheckRow(quantization, key, w, v, row.size()); !status.ok()) {
    return status;
  }
  std::fill(row.begin(), row.end(), std::byte{0});
  format::RowPrefix prefix{.key = key, .w = w, .scale = 1.0F};
  std::byte* values = row.data() + sizeof(prefix);
  switch (quantization) {
    case Quantization::kF32:
      std::memcpy(values, v.data(), v.size_bytes());
      break;
    case Quantization::kF16:
      for (size_t f = 0; f < v.size(); ++f) {
        const uint16_t half = HalfFromFloat(v[f]);
        std::memcpy(values + f * sizeof(half), &half, sizeof(half));
      }
      break;
    case Quantization::kInt8:
      prefix.scale = Int8Scale(MaxMagnitude(v));
      for (size_t f = 0; f < v.size(); ++f) {
        values[f] = std::bit_cast<std::byte>(QuantizeInt8(v[f], prefix.scale));
      }
      break;
  }
  std::memcpy(row.data(), &prefix, sizeof(prefix));
  return absl::OkStatus();
}

void DecodeRow(Quantization quantization, const std::byte* row, std::span<float> v) {
  format::RowPrefix prefix;
  std::memcpy(&prefix, row, sizeof(prefix));
  const std::byte* values = row + sizeof(prefix);
  switch (quantization) {
    case Quantization::kF32:
      std::memcpy(v.data(), values, v.size_bytes());
      break;
    case Quantization::kF16:
      for (size_t f = 0; f < v.size(); ++f) {
        uint16_t half = 0;
        std::memcpy(&half, values + f * sizeof(half), sizeof(half));
        v[f] = FloatFromHalf(half);
      }
      break;
    case Quantization::kInt8:
      for (size_t f = 0; f < v.size(); ++f) {
        v[f] = prefix.scale * static_cast<float>(std::bit_cast<int8_t>(values[f]));
      }
      break;
  }
}

double RowErrorBound(Quantization quantization, std::span<const float> v) {
  const double max = MaxMagnitude(v);
  switch (quantization) {
    case Quantization::kF32:
      return 0.0;
    case Quantization::kF16:
      return std::max(max * 0x1p-11, 0x1p-25);
    case Quantization::kInt8:
      return std::max(max / 254.0, static_cast<double>(kSmallestInt8Row));
  }
  return 0.0;
}

double ScoreErrorBound(Quantization quantization, std::span<const WeightedRow> rows) {
  std::vector<double> errors(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) errors[i] = RowErrorBound(quantization, rows[i].v);
  double bound = 0.0;
  for (size_t i = 0; i < rows.size(); ++i) {
    for (size_t j = i + 1; j < rows.size(); ++j) {
      double pair = 0.0;
      for (size_t f = 0; f < rows[i].v.size(); ++f) {
        pair += std::abs(double{rows[i].v[f]}) * errors[j] +
                std::abs(double{rows[j].v[f]}) * errors[i] + errors[i] * errors[j];
      }
      bound += std::abs(rows[i].x * rows[j].x) * pair;
    }
  }
  return bound;
}

}  // namespace fmserve::model
