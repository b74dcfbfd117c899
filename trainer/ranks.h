// The processes that train one model together, each on its own part of the rows.
#ifndef FMSERVE_TRAINER_RANKS_H_
#define FMSERVE_TRAINER_RANKS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"

namespace fmserve::trainer {

// What training asks of them. Every rank makes the same calls with the same sizes in the same
// order, and waits in each for the others. One thread. An error means that a rank is lost: nothing
// can be shared any more.
class Ranks {
 public:
  virtual ~Ranks() = default;

  virtual uint32_t rank() const = 0;  // of this process, from 0
  virtual uint32_t size() const = 0;  // >= 1

  // Each value becomes the sum of those of all ranks.
  virtual absl::Status SumInPlace(std::span<float> values) = 0;
  virtual absl::Status SumInPlace(std::span<double> values) = 0;

  // The bytes become those of rank `root`.
  virtual absl::Status Broadcast(uint32_t root, std::span<std::byte> bytes) = 0;

  // Ends the processes of all other ranks, and this one, with `exit_code`. Where there are no
  // others it returns, and the caller ends by itself.
  virtual void EndAll(int exit_code) = 0;
};

// A process that trains alone.
class OneRank final : public Ranks {
 public:
  uint32_t rank() const override { return 0; }
  uint32_t size() const override { return 1; }
  absl::Status SumInPlace(std::span<float> /*values*/) override { return absl::OkStatus(); }
  absl::Status SumInPlace(std::span<double> /*values*/) override { return absl::OkStatus(); }
  absl::Status Broadcast(uint32_t /*root*/, std::span<std::byte> /*bytes*/) override {
    return absl::OkStatus();
  }
  void EndAll(int /*exit_code*/) override {}
};

// The vector becomes that of rank `root`, with its size. T is trivially copyable.
template <typename T>
absl::Status BroadcastVector(Ranks& ranks, uint32_t root, std::vector<T>& values) {
  uint64_t count = values.size();
  absl::Status status = ranks.Broadcast(root, std::as_writable_bytes(std::span(&count, 1)));
  if (!status.ok()) return status;
  values.resize(count);
  return ranks.Broadcast(root, std::as_writable_bytes(std::span(values)));
}

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_RANKS_H_
