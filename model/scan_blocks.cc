#include "model/scan_blocks.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>

namespace fmserve::model {
namespace {

constexpr float kLargest = 127.0F;
// stored = factor + 128 = 16 high + low, because VNNI multiplies unsigned by signed. The high
// nibble alone stands for the middle of the factors that have it, 16 high - 120.
constexpr int kStoredOffset = 128;
constexpr int kHighOffset = 120;
constexpr uint32_t kPairBytes = 64;  // eight factors of a block, in one plane

// The slacks of the proof: for roundings to float, for additions of float, for underflow.
constexpr double kRoundings = 0x1p-21;
constexpr double kInflation = 1.0 + 0x1p-20;
constexpr double kUnderflow = 0x1p-120;

// Beyond it, scores might overflow a float.
constexpr double kLargestScore = 1e30;

float RoundedUp(double value) {
  const auto rounded = static_cast<float>(value);
  if (double{rounded} >= value) return rounded;
  return std::nextafter(rounded, std::numeric_limits<float>::infinity());
}

float LargestMagnitude(std::span<const float> values) {
  float largest = 0.0F;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

// value / scale to the nearest integer of -127 to 127.
int Quantized(float value, float scale) {
  if (scale == 0.0F) return 0;
  return static_cast<int>(std::lrint(std::clamp(value / scale, -kLargest, kLargest)));
}

// Squared norms of what is stored of a vector, and of what is lost.
struct Loss {
  double stored = 0.0;
  double residual = 0.0;

  void Add(float value, double stored_value) {
    stored += stored_value * stored_value;
    residual += (value - stored_value) * (value - stored_value);
  }

  void Raise(const Loss& other) {
    stored = std::max(stored, other.stored);
    residual = std::max(residual, other.residual);
  }
};

// Puts the nibble of factor `f` of item `i` of a block into a plane, which was zero there.
void PutNibble(std::byte* plane, uint32_t i, uint32_t f, uint32_t nibble) {
  plane[f / 8 * kPairBytes + i * 4 + f % 4] |= static_cast<std::byte>(nibble << (f / 4 % 2 * 4));
}

}  // namespace

absl::StatusOr<ScanBlocks> ScanBlocks::Allocate(uint32_t items_count, uint32_t k) {
  ScanBlocks blocks;
  blocks.items_count_ = items_count;
  blocks.k_ = k;
  blocks.pairs_count_ = (k + 7) / 8;
  blocks.plane_bytes_ = size_t{blocks.pairs_count_} * kPairBytes;
  blocks.block_bytes_ = blocks.plane_bytes_ + kScanBlockItems * sizeof(float);
  if (items_count == 0) return blocks;
  blocks.low_begin_ =
      blocks.groups_count() * kScanHeadersBytes + blocks.blocks_count() * blocks.block_bytes_;
  const size_t low_bytes =
      blocks.groups_count() * kScanLowHeadersBytes + blocks.blocks_count() * blocks.plane_bytes_;
  absl::StatusOr<TableMemory> memory = TableMemory::Allocate(blocks.low_begin_ + low_bytes);
  if (!memory.ok()) return memory.status();
  blocks.memory_ = *std::move(memory);
  blocks.bounds_.assign(blocks.groups_count(),
                        {.norm = 0.0,
                         .bias = -std::numeric_limits<double>::infinity(),
                         .bias_rest = -std::numeric_limits<double>::infinity()});
  return blocks;
}

uint32_t ScanBlocks::ItemsOf(uint32_t block) const {
  return std::min(kScanBlockItems, items_count_ - block * kScanBlockItems);
}

std::byte* ScanBlocks::high(uint32_t group) const {
  return memory_.data() + group * (kScanHeadersBytes + kScanGroupBlocks * block_bytes_);
}

std::byte* ScanBlocks::low(uint32_t group) const {
  return memory_.data() + low_begin_ +
         group * (kScanLowHeadersBytes + kScanGroupBlocks * plane_bytes_);
}

ScanGroupPlanes ScanBlocks::group(uint32_t group) const {
  return {.high = high(group),
          .low = low(group),
          .blocks_count = std::min(kScanGroupBlocks, blocks_count() - group * kScanGroupBlocks)};
}

void ScanBlocks::Encode(uint32_t block, std::span<const float> vectors,
                        std::span<const double> biases) {
  const uint32_t count = ItemsOf(block);
  const size_t padded_k = PaddedK(k_);
  assert(vectors.size() == count * padded_k && biases.size() == count);
  const uint32_t group = block / kScanGroupBlocks;
  const uint32_t at = block % kScanGroupBlocks;
  std::byte* const high_plane = high(group) + kScanHeadersBytes + at * block_bytes_;
  std::byte* const low_plane = low(group) + kScanLowHeadersBytes + at * plane_bytes_;
  ScanBound& bound = bounds_[group];
  const float scale = LargestMagnitude(vectors) / kLargest;
  Loss worst;
  Loss worst_high;
  double bias_error = 0.0;
  std::memset(high_plane, 0, plane_bytes_);
  std::memset(low_plane, 0, plane_bytes_);
  auto* const stored_biases = reinterpret_cast<float*>(high_plane + plane_bytes_);
  std::fill_n(stored_biases, kScanBlockItems, -std::numeric_limits<float>::infinity());
  for (uint32_t i = 0; i < count; ++i) {
    Loss loss;
    Loss high_loss;
    double squares = 0.0;
    for (uint32_t f = 0; f < k_; ++f) {
      const float value = vectors[i * padded_k + f];
      const int factor = Quantized(value, scale);
      const auto stored = static_cast<uint32_t>(factor + kStoredOffset);
      const uint32_t high_nibble = stored / 16;
      PutNibble(high_plane, i, f, high_nibble);
      PutNibble(low_plane, i, f, stored % 16);
      loss.Add(value, double{scale} * factor);
      high_loss.Add(value, double{scale} * (16 * static_cast<int>(high_nibble) - kHighOffset));
      squares += double{value} * value;
    }
    worst.Raise(loss);
    worst_high.Raise(high_loss);
    stored_biases[i] = static_cast<float>(biases[i]);
    bias_error = std::max(
        bias_error, std::abs(stored_biases[i] - biases[i]) + kRoundings * std::abs(biases[i]));
    bound.norm = std::max(bound.norm, std::sqrt(squares) * kInflation);
    bound.bias = std::max(bound.bias, biases[i]);
    max_abs_bias_ = std::max(max_abs_bias_, std::abs(biases[i]));
  }
  const ScanBlockHeader header = {
      .scale = scale,
      .stored_norm = RoundedUp(std::sqrt(std::max(worst.stored, worst_high.stored)) * kInflation),
      .residual_norm = RoundedUp(std::sqrt(worst_high.residual) * kInflation),
      .bias_error = RoundedUp((bias_error + kUnderflow) * kInflation)};
  std::memcpy(high(group) + at * sizeof(header), &header, sizeof(header));
  const float residual_norm = RoundedUp(std::sqrt(worst.residual) * kInflation);
  std::memcpy(low(group) + at * sizeof(residual_norm), &residual_norm, sizeof(residual_norm));
}

void ScanBlocks::Finish() {
  for (size_t group = bounds_.size(); group-- > 0;) {
    ScanBound& bound = bounds_[group];
    bound.bias_rest = bound.bias;
    if (group + 1 == bounds_.size()) continue;
    bound.norm = std::max(bound.norm, bounds_[group + 1].norm);
    bound.bias_rest = std::max(bound.bias_rest, bounds_[group + 1].bias_rest);
  }
}

ScanContext ScanBlocks::Quantize(std::span<const float> sums) const {
  ScanContext context = {};
  context.pairs_count = pairs_count_;
  context.scale = LargestMagnitude(sums.first(k_)) / kLargest;
  Loss loss;
  double squares = 0.0;
  for (uint32_t f = 0; f < k_; ++f) {
    const int p = Quantized(sums[f], context.scale);
    loss.Add(sums[f], double{context.scale} * p);
    squares += double{sums[f]} * sums[f];
    context.high_offset -= kHighOffset * p;
    context.offset -= kStoredOffset * p;
    context.quads[f / 4] |= uint32_t{static_cast<uint8_t>(p)} << (f % 4 * 8);
  }
  context.stored_norm_factor =
      RoundedUp((std::sqrt(loss.residual) + kRoundings * std::sqrt(loss.stored)) * kInflation);
  context.residual_norm_factor = RoundedUp(std::sqrt(squares) * kInflation);
  // Written so that a NaN fails the test.
  if (!(std::sqrt(squares) * max_norm() + max_abs_bias_ < kLargestScore))
    context.scale = std::numeric_limits<float>::quiet_NaN();
  return context;
}

}  // namespace fmserve::model
