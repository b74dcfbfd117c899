#include "model/scan_blocks.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>

namespace fmserve::model {
namespace {

constexpr float kLargest = 127.0F;
constexpr int kStoredOffset =
    128;  // stored = factor + 128, because VNNI multiplies unsigned by signed

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
};

uint32_t Packed(int low, int high) {
  return static_cast<uint16_t>(low) | static_cast<uint32_t>(static_cast<uint16_t>(high)) << 16;
}

}  // namespace

absl::StatusOr<ScanBlocks> ScanBlocks::Allocate(uint32_t items_count, uint32_t k) {
  ScanBlocks blocks;
  blocks.items_count_ = items_count;
  blocks.k_ = k;
  blocks.quads_count_ = (k + 3) / 4;
  blocks.block_bytes_ = kScanBlockItems * (size_t{blocks.quads_count_} * 4 + sizeof(float));
  blocks.group_bytes_ = kScanHeadersBytes + kScanGroupBlocks * blocks.block_bytes_;
  if (items_count == 0) return blocks;
  const size_t bytes =
      blocks.groups_count() * kScanHeadersBytes + blocks.blocks_count() * blocks.block_bytes_;
  absl::StatusOr<TableMemory> memory = TableMemory::Allocate(bytes);
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

uint32_t ScanBlocks::BlocksOf(uint32_t group) const {
  return std::min(kScanGroupBlocks, blocks_count() - group * kScanGroupBlocks);
}

std::byte* ScanBlocks::block(uint32_t block) const {
  return memory_.data() + block / kScanGroupBlocks * group_bytes_ + kScanHeadersBytes +
         block % kScanGroupBlocks * block_bytes_;
}

void ScanBlocks::Encode(uint32_t block, std::span<const float> vectors,
                        std::span<const double> biases) {
  const uint32_t count = ItemsOf(block);
  const size_t padded_k = PaddedK(k_);
  assert(vectors.size() == count * padded_k && biases.size() == count);
  std::byte* const items = this->block(block);
  ScanBound& bound = bounds_[block / kScanGroupBlocks];
  const float scale = LargestMagnitude(vectors) / kLargest;
  Loss worst;
  double bias_error = 0.0;
  std::memset(items, kStoredOffset, size_t{quads_count_} * 4 * kScanBlockItems);
  auto* const stored_biases = reinterpret_cast<float*>(items + quads_count_ * 64);
  std::fill_n(stored_biases, kScanBlockItems, -std::numeric_limits<float>::infinity());
  for (uint32_t i = 0; i < count; ++i) {
    Loss loss;
    double squares = 0.0;
    for (uint32_t f = 0; f < k_; ++f) {
      const float value = vectors[i * padded_k + f];
      const int stored = Quantized(value, scale);
      items[f / 4 * 64 + i * 4 + f % 4] = static_cast<std::byte>(stored + kStoredOffset);
      loss.Add(value, double{scale} * stored);
      squares += double{value} * value;
    }
    worst.stored = std::max(worst.stored, loss.stored);
    worst.residual = std::max(worst.residual, loss.residual);
    stored_biases[i] = static_cast<float>(biases[i]);
    bias_error = std::max(
        bias_error, std::abs(stored_biases[i] - biases[i]) + kRoundings * std::abs(biases[i]));
    bound.norm = std::max(bound.norm, std::sqrt(squares) * kInflation);
    bound.bias = std::max(bound.bias, biases[i]);
    max_abs_bias_ = std::max(max_abs_bias_, std::abs(biases[i]));
  }
  const ScanBlockHeader header = {
      .scale = scale,
      .stored_norm = RoundedUp(std::sqrt(worst.stored) * kInflation),
      .residual_norm = RoundedUp(std::sqrt(worst.residual) * kInflation),
      .bias_error = RoundedUp((bias_error + kUnderflow) * kInflation)};
  std::memcpy(memory_.data() + block / kScanGroupBlocks * group_bytes_ +
                  block % kScanGroupBlocks * sizeof(header),
              &header, sizeof(header));
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
  context.quads_count = quads_count_;
  context.scale = LargestMagnitude(sums.first(k_)) / kLargest;
  Loss loss;
  double squares = 0.0;
  int p[kScanMaxQuads * 4] = {};
  for (uint32_t f = 0; f < k_; ++f) {
    p[f] = Quantized(sums[f], context.scale);
    loss.Add(sums[f], double{context.scale} * p[f]);
    squares += double{sums[f]} * sums[f];
    context.offset -= kStoredOffset * p[f];
  }
  for (uint32_t quad = 0; quad < quads_count_; ++quad) {
    const int* const at = p + size_t{quad} * 4;
    for (uint32_t i = 0; i < 4; ++i)
      context.quads[quad] |= uint32_t{static_cast<uint8_t>(at[i])} << (8 * i);
    context.evens[quad] = Packed(at[0], at[2]);
    context.odds[quad] = Packed(at[1], at[3]);
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
