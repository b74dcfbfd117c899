#include "model/dictionary.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace fmserve::model {
namespace {

// Enough to hide the latency of memory many times over, few enough that what was prefetched is
// still in L1 when the next stage comes by.
constexpr size_t kBatch = 64;
constexpr size_t kCacheLineBytes = 64;

}  // namespace

uint64_t Dictionary::KeyAt(uint32_t slot) const {
  uint64_t key;
  std::memcpy(&key, rows_.row(slot), sizeof(key));
  return key;
}

uint32_t Dictionary::Find(uint64_t key) const {
  if (pilots_.empty() || key == format::kEmptyKey) return kNoSlot;
  const uint32_t slot = Candidate(key);
  return KeyAt(slot) == key ? slot : kNoSlot;
}

void Dictionary::FindAll(std::span<const uint64_t> keys, std::span<uint32_t> slots) const {
  assert(keys.size() == slots.size());
  if (pilots_.empty()) {
    std::fill(slots.begin(), slots.end(), kNoSlot);
    return;
  }
  for (size_t begin = 0; begin < keys.size(); begin += kBatch) {
    FindBatch(&keys[begin], std::min(kBatch, keys.size() - begin), &slots[begin]);
  }
}

// In stages, so that no read waits for another: pilots, then rows, then keys.
void Dictionary::FindBatch(const uint64_t* keys, size_t n, uint32_t* slots) const {
  assert(n <= kBatch);
  uint64_t hashes[kBatch];
  const uint16_t* pilots[kBatch];
  for (size_t i = 0; i < n; ++i) {
    hashes[i] = DictionaryHash::Mix(keys[i] ^ seed_);
    pilots[i] = &pilots_[DictionaryHash::Bucket(hashes[i], pilots_.size())];
    __builtin_prefetch(pilots[i]);
  }
  for (size_t i = 0; i < n; ++i) {
    slots[i] =
        static_cast<uint32_t>(DictionaryHash::Slot(hashes[i], *pilots[i], rows_.slots_count));
    const std::byte* const row = rows_.row(slots[i]);
    for (size_t line = 0; line < rows_.stride_bytes; line += kCacheLineBytes) {
      __builtin_prefetch(row + line);
    }
  }
  for (size_t i = 0; i < n; ++i) {
    if (KeyAt(slots[i]) != keys[i] || keys[i] == format::kEmptyKey) slots[i] = kNoSlot;
  }
}

}  // namespace fmserve::model
