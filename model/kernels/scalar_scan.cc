// The scan on any x86-64.
#include <cstring>

#include "model/kernels/scan.h"
#include "model/kernels/scan_loop.h"

namespace fmserve::model::scalar {
namespace {

// The sum of p times nibble of eight factors: four bytes, and the words of the context.
int32_t SumOfNibbles(const std::byte* bytes, uint32_t near, uint32_t far) {
  uint32_t nibbles = 0;
  std::memcpy(&nibbles, bytes, sizeof(nibbles));
  int32_t sum = 0;
  for (uint32_t shift = 0; shift < 32; shift += 8) {
    sum += static_cast<int32_t>((nibbles >> shift) & 0xfU) * static_cast<int8_t>(near >> shift);
    sum +=
        static_cast<int32_t>((nibbles >> (shift + 4)) & 0xfU) * static_cast<int8_t>(far >> shift);
  }
  return sum;
}

}  // namespace

size_t ScanHigh(const ScanContext& context, const ScanGroup& group, const uint64_t* filter,
                float threshold, ScanHit* hits) {
  return ScanLoop(
      context, group, filter, hits,
      [&](const std::byte* block, const std::byte*, int32_t* products) {
        const auto& head = *reinterpret_cast<const ScanBlockHead*>(block);
        const float scale = context.scale * head.scale;
        const float residual = head.residual_norm * context.norm;
        const float bias = head.bias + head.bias_step;
        uint32_t mask = 0;
        for (uint32_t i = 0; i < kScanBlockItems; ++i) {
          int32_t sum = 0;
          for (uint32_t pair = 0; pair < context.pairs_count; ++pair) {
            const size_t at = sizeof(head) + pair * kScanPairBytes + i * kScanRowPairBytes;
            sum += SumOfNibbles(block + at, context.near[pair], context.far[pair]);
          }
          products[i] = 16 * sum + context.high_offset;
          const float unscaled = static_cast<float>(products[i]) * scale + residual;
          const float bound = unscaled * static_cast<float>(head.scales[i]) +
                              (static_cast<float>(head.biases[i]) * head.bias_step + bias);
          mask |= static_cast<uint32_t>(!(bound < threshold)) << i;
        }
        return mask;
      });
}

void Refine(const ScanContext& context, const std::byte* rows, ScanHit* hits, size_t hits_count) {
  RefineLoop(context, rows, hits, hits_count, [&](const std::byte* row) {
    int32_t sum = 0;
    for (uint32_t pair = 0; pair < context.pairs_count; ++pair)
      sum += SumOfNibbles(row + pair * kScanRowPairBytes, context.near[pair], context.far[pair]);
    return sum;
  });
}

}  // namespace fmserve::model::scalar
