#include "loader/backoff.h"

#include <algorithm>

namespace fmserve::loader {

Backoff::Backoff(std::chrono::milliseconds initial, std::chrono::milliseconds cap, uint64_t seed)
    : initial_(std::min(initial, cap)), cap_(cap), ceiling_(initial_), random_(seed) {}

std::chrono::milliseconds Backoff::Next(std::chrono::milliseconds asked) {
  const int64_t ceiling_ms = ceiling_.count();
  ceiling_ = std::min(cap_, ceiling_ * 2);
  std::uniform_int_distribution<int64_t> delay_ms(ceiling_ms / 2, ceiling_ms);
  return asked + std::chrono::milliseconds(delay_ms(random_));
}

}  // namespace fmserve::loader
