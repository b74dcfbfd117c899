#include "model/dictionary.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace fmserve::model {
namespace {

constexpr size_t kCacheLineBytes = 64;
// Reads on their way into L1 are few (16 on current cores), into L2 three times as many: random
// lines of 64 bytes took 10 ns each instead of 13.
constexpr int kIntoL2 = 2;

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
  DictionaryLookup(*this, keys, slots).ResolveUntil(keys.size());
}

DictionaryLookup::DictionaryLookup(const Dictionary& dictionary, std::span<const uint64_t> keys,
                                   std::span<uint32_t> slots)
    : dictionary_(dictionary), keys_(keys), slots_(slots) {
  assert(keys.size() == slots.size());
  if (dictionary_.pilots_.empty()) {
    std::fill(slots_.begin(), slots_.end(), kNoSlot);
    return;
  }
  const size_t n = keys_.size();
  for (size_t i = 0; i < std::min(n, kPilotsAhead); ++i) FetchPilot(i);
  for (size_t i = 0; i < std::min(n, kRowsAhead); ++i) {
    FetchRow(i);
    if (i + kPilotsAhead < n) FetchPilot(i + kPilotsAhead);
  }
}

inline void DictionaryLookup::FetchPilot(size_t i) {
  const uint64_t hash = DictionaryHash::Mix(keys_[i] ^ dictionary_.seed_);
  hashes_[i % kPilotsAhead] = hash;
  const auto& pilots = dictionary_.pilots_;
  __builtin_prefetch(&pilots[DictionaryHash::Bucket(hash, pilots.size())]);
}

inline void DictionaryLookup::FetchRow(size_t i) {
  const uint64_t hash = hashes_[i % kPilotsAhead];
  const auto& pilots = dictionary_.pilots_;
  const RowsView& rows = dictionary_.rows_;
  const uint16_t pilot = pilots[DictionaryHash::Bucket(hash, pilots.size())];
  slots_[i] = static_cast<uint32_t>(DictionaryHash::Slot(hash, pilot, rows.slots_count));
  const std::byte* const row = rows.row(slots_[i]);
  for (size_t line = 0; line < rows.stride_bytes; line += kCacheLineBytes) {
    __builtin_prefetch(row + line, 0, kIntoL2);
  }
}

bool DictionaryLookup::ResolveUntil(size_t end) {
  assert(resolved_ <= end && end <= keys_.size());
  if (dictionary_.pilots_.empty()) return end == 0;
  bool all_found = true;
  for (; resolved_ < end; ++resolved_) {
    const size_t i = resolved_;
    if (i + kRowsAhead < keys_.size()) {
      FetchRow(i + kRowsAhead);
      if (i + kRowsAhead + kPilotsAhead < keys_.size()) FetchPilot(i + kRowsAhead + kPilotsAhead);
    }
    const bool found = dictionary_.KeyAt(slots_[i]) == keys_[i] && keys_[i] != format::kEmptyKey;
    if (!found) slots_[i] = kNoSlot;
    all_found &= found;
  }
  return all_found;
}

}  // namespace fmserve::model
