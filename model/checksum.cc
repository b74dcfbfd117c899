#include "model/checksum.h"

#include <xxhash.h>

#include <algorithm>

namespace fmserve::model {
namespace {

Checksum Canonical(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  Checksum checksum;
  std::copy(std::begin(canonical.digest), std::end(canonical.digest), checksum.begin());
  return checksum;
}

}  // namespace

Hasher::Hasher() : state_(XXH3_createState()) { Reset(); }
void Hasher::Free::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }
void Hasher::Reset() { XXH3_128bits_reset(state_.get()); }
Checksum Hasher::Digest() const { return Canonical(XXH3_128bits_digest(state_.get())); }

void Hasher::Update(std::span<const std::byte> bytes) {
  XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
}

absl::StatusOr<Checksum> ChecksumOf(std::span<const std::byte> bytes, Checkpoint checkpoint) {
  Hasher hasher;
  while (!bytes.empty()) {
    const std::span<const std::byte> piece = bytes.first(std::min(bytes.size(), kCheckpointBytes));
    hasher.Update(piece);
    if (absl::Status status = checkpoint(); !status.ok()) return status;
    bytes = bytes.subspan(piece.size());
  }
  return hasher.Digest();
}

Checksum ChecksumOf(std::span<const std::byte> bytes) {
  return Canonical(XXH3_128bits(bytes.data(), bytes.size()));
}

}  // namespace fmserve::model
