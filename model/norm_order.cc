#include "model/norm_order.h"

#include <array>
#include <bit>
#include <numeric>
#include <utility>

namespace fmserve::model {
namespace {

constexpr uint32_t kDigitBits = 8;
constexpr size_t kElementsPerCheckpoint = kCheckpointBytes / 64;

// Ascending keys are descending norms: the bits of floats that are not negative ascend with them.
uint32_t Digit(float norm, uint32_t shift) {
  return (~std::bit_cast<uint32_t>(norm) >> shift) & ((1U << kDigitBits) - 1);
}

// visit(0) to visit(count - 1), with checkpoints in between.
template <typename Visit>
absl::Status ForEach(size_t count, Checkpoint checkpoint, Visit visit) {
  for (size_t i = 0; i < count; ++i) {
    if (i % kElementsPerCheckpoint == 0) {
      if (absl::Status status = checkpoint(); !status.ok()) return status;
    }
    visit(i);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<uint32_t>> OrderByNorm(std::span<const float> norms,
                                                  Checkpoint checkpoint) {
  std::vector<uint32_t> order(norms.size());
  std::vector<uint32_t> next(norms.size());
  std::iota(order.begin(), order.end(), 0U);
  for (uint32_t shift = 0; shift < 32; shift += kDigitBits) {
    std::array<uint32_t, 1U << kDigitBits> places = {};
    const auto count = [&](size_t i) { ++places[Digit(norms[i], shift)]; };
    if (absl::Status status = ForEach(norms.size(), checkpoint, count); !status.ok()) return status;
    uint32_t before = 0;
    for (uint32_t& place : places) before += std::exchange(place, before);
    const auto place = [&](size_t i) { next[places[Digit(norms[order[i]], shift)]++] = order[i]; };
    if (absl::Status status = ForEach(norms.size(), checkpoint, place); !status.ok()) return status;
    order.swap(next);
  }
  return order;
}

}  // namespace fmserve::model
