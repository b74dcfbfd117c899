#include "model/scan_blocks.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>

namespace fmserve::model {
namespace {

constexpr double kLargest = 127.0;
constexpr double kLargestScale = 255.0;
constexpr double kLargestBias = 65535.0;
// stored = factor + 128 = 16 high + low, because VNNI multiplies unsigned by signed. The high
// nibble alone stands for the middle of the factors that have it, 16 high - 120.
constexpr int kStoredOffset = 128;
constexpr int kHighOffset = 120;

// The slacks of the proof: for roundings of products to float, of biases, and for underflow.
constexpr double kRoundings = 0x1p-21;
constexpr double kBiasRoundings = 0x1p-19;
constexpr double kUnderflow = 0x1p-110;
constexpr double kInflation = 1.0 + 0x1p-20;
constexpr double kDoubleRoundings = 0x1p-40;

// Beyond it, scores might overflow a float.
constexpr double kLargestScore = 1e30;

float RoundedUp(double value) {
  const auto rounded = static_cast<float>(value);
  if (double{rounded} >= value) return rounded;
  return std::nextafter(rounded, std::numeric_limits<float>::infinity());
}

float RoundedDown(double value) { return -RoundedUp(-value); }

double LargestMagnitude(std::span<const float> values) {
  float largest = 0.0F;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  return double{largest};
}

// 1 / scale, or 0.
double InverseOf(double scale) { return scale == 0.0 ? 0.0 : 1.0 / scale; }

// value / scale to the nearest integer of -127 to 127, more or less; what is not a number, to any.
int Quantized(float value, double inverse_scale) {
  constexpr double kMakesPositive = 128.0;
  const double scaled = std::max(-kLargest, std::min(kLargest, value * inverse_scale));
  return static_cast<int>(scaled + (kMakesPositive + 0.5)) - static_cast<int>(kMakesPositive);
}

// Norms of what is stored of a vector, and of what is lost.
class VectorLoss {
 public:
  void Add(float value, double stored) {
    stored_ += stored * stored;
    residual_ += (value - stored) * (value - stored);
  }

  double stored_norm() const { return std::sqrt(stored_) * kInflation; }
  double residual_norm() const { return std::sqrt(residual_) * kInflation; }

 private:
  double stored_ = 0.0;
  double residual_ = 0.0;
};

// Scales and biases of a block of these items, the rest of the head zero.
ScanBlockHead MakeHead(std::span<const float> vectors, size_t padded_k,
                       std::span<const double> biases) {
  ScanBlockHead head = {};
  head.scale = RoundedUp(LargestMagnitude(vectors) / (kLargest * kLargestScale));
  double least = std::numeric_limits<double>::infinity();
  double most = -least;
  for (const double bias : biases) {
    least = std::min(least, std::clamp(bias, -kLargestScore, kLargestScore));
    most = std::max(most, std::clamp(bias, -kLargestScore, kLargestScore));
  }
  head.bias = RoundedDown(least);
  head.bias_step =
      RoundedUp(std::max({(most - head.bias) / kLargestBias,
                          kBiasRoundings * std::max(std::abs(least), std::abs(most)), kUnderflow}));
  for (size_t i = 0; i < biases.size(); ++i) {
    const double largest = LargestMagnitude(vectors.subspan(i * padded_k, padded_k));
    const double bias = std::clamp(biases[i], -kLargestScore, kLargestScore);
    if (largest > 0.0) {
      head.scales[i] = static_cast<uint8_t>(
          std::min(std::ceil(largest / (kLargest * head.scale)), kLargestScale));
    }
    head.biases[i] = static_cast<uint16_t>(
        std::clamp((bias - head.bias) / head.bias_step + 0.5, 0.0, kLargestBias));
  }
  return head;
}

}  // namespace

absl::StatusOr<ScanBlocks> ScanBlocks::Allocate(uint32_t items_count, uint32_t k) {
  ScanBlocks blocks;
  blocks.items_count_ = items_count;
  blocks.k_ = k;
  blocks.pairs_count_ = (k + 7) / 8;
  blocks.block_bytes_ = sizeof(ScanBlockHead) + blocks.pairs_count_ * kScanPairBytes;
  blocks.row_bytes_ = blocks.pairs_count_ * kScanRowPairBytes;
  if (items_count == 0) return blocks;
  blocks.rows_begin_ = blocks.blocks_count() * blocks.block_bytes_;
  const size_t rows_bytes = blocks.blocks_count() * kScanBlockItems * blocks.row_bytes_;
  absl::StatusOr<TableMemory> memory =
      TableMemory::Allocate(blocks.rows_begin_ + rows_bytes + kScanRowReadBytes);
  if (!memory.ok()) return memory.status();
  blocks.memory_ = *std::move(memory);
  blocks.bounds_.assign(blocks.groups_count(),
                        {.norm = 0.0,
                         .bias = -std::numeric_limits<double>::infinity(),
                         .bias_rest = -std::numeric_limits<double>::infinity()});
  blocks.losses_.resize(blocks.groups_count());
  return blocks;
}

uint32_t ScanBlocks::ItemsOf(uint32_t block) const {
  return std::min(kScanBlockItems, items_count_ - block * kScanBlockItems);
}

std::byte* ScanBlocks::row(uint32_t item) const {
  return memory_.data() + rows_begin_ + item * row_bytes_;
}

ScanGroup ScanBlocks::group(uint32_t group) const {
  const uint32_t first = group * kScanGroupBlocks;
  return {.blocks = block(first),
          .blocks_count = std::min(kScanGroupBlocks, blocks_count() - first),
          .first_item = group * kScanGroupItems};
}

void ScanBlocks::Encode(uint32_t block, std::span<const float> vectors,
                        std::span<const double> biases) {
  const uint32_t count = ItemsOf(block);
  const size_t padded_k = PaddedK(k_);
  assert(vectors.size() == count * padded_k && biases.size() == count);
  std::byte* const at = this->block(block);
  ScanBlockHead head = MakeHead(vectors, padded_k, biases);
  ScanBound& bound = bounds_[block / kScanGroupBlocks];
  Loss& group_loss = losses_[block / kScanGroupBlocks];
  double residual_ratio = 0.0;
  for (uint32_t i = 0; i < count; ++i) {
    const double scale = double{head.scale} * head.scales[i];
    const double inverse_scale = InverseOf(scale);
    std::byte* const row = this->row(block * kScanBlockItems + i);
    VectorLoss loss;
    VectorLoss high_loss;
    double squares = 0.0;
    for (uint32_t f = 0; f < k_; ++f) {
      const float value = vectors[i * padded_k + f];
      const int factor = Quantized(value, inverse_scale);
      const int high = (factor + kStoredOffset) / 16;
      const int low = (factor + kStoredOffset) % 16;
      const uint32_t shift = f / 4 % 2 * 4;
      at[sizeof(head) + f / 8 * kScanPairBytes + i * kScanRowPairBytes + f % 4] |=
          static_cast<std::byte>(high << shift);
      row[f / 8 * kScanRowPairBytes + f % 4] |= static_cast<std::byte>(low << shift);
      loss.Add(value, scale * factor);
      high_loss.Add(value, scale * (16 * high - kHighOffset));
      squares += double{value} * value;
    }
    group_loss.stored_norm =
        std::max({group_loss.stored_norm, loss.stored_norm(), high_loss.stored_norm()});
    if (head.scales[i] != 0) {
      residual_ratio = std::max(residual_ratio, high_loss.residual_norm() / head.scales[i]);
      group_loss.residual_ratio = std::max(group_loss.residual_ratio, loss.residual_norm() / scale);
    }
    bound.norm = std::max(bound.norm, std::sqrt(squares) * kInflation);
    bound.bias = std::max(bound.bias, biases[i]);
    max_abs_bias_ = std::max(max_abs_bias_, std::abs(biases[i]));
  }
  head.residual_norm = RoundedUp(residual_ratio * kInflation);
  std::memcpy(at, &head, sizeof(head));
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
  context.scale = static_cast<float>(LargestMagnitude(sums.first(k_)) / kLargest);
  const double inverse_scale = InverseOf(double{context.scale});
  VectorLoss loss;
  double squares = 0.0;
  for (uint32_t f = 0; f < k_; ++f) {
    const int p = Quantized(sums[f], inverse_scale);
    loss.Add(sums[f], double{context.scale} * p);
    squares += double{sums[f]} * sums[f];
    context.high_offset -= kHighOffset * p;
    context.low_offset -= (kStoredOffset - kHighOffset) * p;
    uint32_t& word = f / 4 % 2 == 0 ? context.near[f / 8] : context.far[f / 8];
    word |= uint32_t{static_cast<uint8_t>(p)} << (f % 4 * 8);
  }
  context.stored_norm_factor = loss.residual_norm() + kRoundings * loss.stored_norm();
  context.norm = RoundedUp(std::sqrt(squares) * kInflation);
  // Written so that a NaN fails the test.
  if (!(std::sqrt(squares) * max_norm() + max_abs_bias_ < kLargestScore))
    context.scale = std::numeric_limits<float>::quiet_NaN();
  return context;
}

double ScanBlocks::ContextError(const ScanContext& context, uint32_t group) const {
  return losses_[group].stored_norm * context.stored_norm_factor * kInflation;
}

float ScanBlocks::ThresholdFor(const ScanContext& context, uint32_t group, double least) const {
  const double error = ContextError(context, group);
  return RoundedDown(least - error - kDoubleRoundings * (std::abs(least) + error));
}

ScoreRange ScanBlocks::RangeOf(const ScanContext& context, const ScanHit& hit) const {
  const uint32_t group = hit.item / kScanGroupItems;
  const auto& head = *reinterpret_cast<const ScanBlockHead*>(block(hit.item / kScanBlockItems));
  const uint32_t i = hit.item % kScanBlockItems;
  const double scale = double{head.scale} * head.scales[i];
  const double score =
      scale * context.scale * hit.product + (head.bias + double{head.bias_step} * head.biases[i]);
  const double error =
      ContextError(context, group) +
      kInflation * (scale * losses_[group].residual_ratio * context.norm + head.bias_step);
  if (std::isnan(score) || std::isnan(error)) {
    return {.lower = -std::numeric_limits<double>::infinity(),
            .upper = std::numeric_limits<double>::infinity()};
  }
  return {.lower = score - error, .upper = score + error};
}

}  // namespace fmserve::model
