// XXH3-128, the checksum of the headers and sections of files. It finds damage, not forgery.
#ifndef FMSERVE_MODEL_CHECKSUM_H_
#define FMSERVE_MODEL_CHECKSUM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "model/checkpoint.h"

struct XXH3_state_s;

namespace fmserve::model {

// In canonical (big-endian) form, as the file holds it.
using Checksum = std::array<uint8_t, 16>;

// Of a stream of bytes. One thread.
class Hasher {
 public:
  Hasher();
  void Update(std::span<const std::byte> bytes);
  Checksum Digest() const;  // of all bytes so far
  void Reset();             // begins a new stream

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

Checksum ChecksumOf(std::span<const std::byte> bytes);

// The same with checkpoints in between; returns the error of one.
absl::StatusOr<Checksum> ChecksumOf(std::span<const std::byte> bytes, Checkpoint checkpoint);

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_CHECKSUM_H_
