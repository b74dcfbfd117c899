// From a 64-bit feature key to the slot of its row: a minimal-perfect-hash style dictionary.
//
// Keys fall into buckets; each bucket has a 16-bit pilot, chosen offline so that every key of the
// file gets a slot of its own (hash and displace; PTHash, Pibiri and Trani, SIGIR 2021; buckets of
// equal expectation and multiplicative slots as in PtrHash, Groot Koerkamp, SEA 2025). The key
// itself lies in the row, so a lookup reads one pilot and one row, and an unknown key is known to
// be unknown.
#ifndef FMSERVE_MODEL_DICTIONARY_H_
#define FMSERVE_MODEL_DICTIONARY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "model/row_layout.h"
#include "model/weight_format.h"

namespace fmserve::model {

// The arithmetic of a lookup (WEIGHT_FORMAT.md), shared by lookup and search.
struct DictionaryHash {
  // The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): a bijection, so keys that
  // differ stay different.
  static uint64_t Mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }

  // floor(hash * count / 2^64): uniform in [0, count) without a division (Lemire, TOMACS 2019).
  static uint64_t Reduce(uint64_t hash, uint64_t count) {
    __extension__ using Uint128 = unsigned __int128;
    return static_cast<uint64_t>((static_cast<Uint128>(hash) * count) >> 64);
  }

  static uint64_t Bucket(uint64_t hash, uint64_t buckets_count) {
    return Reduce(hash, buckets_count);
  }

  static uint64_t Slot(uint64_t hash, uint16_t pilot, uint64_t slots_count) {
    const uint64_t displaced =
        (hash ^ ((uint64_t{pilot} + 1) * format::kPilotFactor)) * format::kSlotFactor;
    return Reduce(displaced, slots_count);
  }
};

// What a builder found for a set of keys; WeightWriter stores it.
struct DictionaryPlan {
  uint64_t seed = 0;
  uint64_t slots_count = 0;      // at least 1, also without keys
  std::vector<uint16_t> pilots;  // one per bucket, at least 1
  std::vector<uint32_t> slots;   // slots[i] belongs to keys[i]
};

// Keys must be distinct and not format::kEmptyKey: InvalidArgument names one that is not. Up to
// 2^31 keys; slots_count is at most 1.05 * keys + 16. About 0.3 us per key, 16 bytes of memory per
// key besides the plan. Deterministic.
absl::StatusOr<DictionaryPlan> PlanDictionary(std::span<const uint64_t> keys);

// Unowned view: immutable, safe from any thread. A default one knows no key.
class Dictionary {
 public:
  Dictionary() = default;

  // At least one pilot and one slot; all of `pilots` and `rows` must outlive the dictionary.
  Dictionary(uint64_t seed, std::span<const uint16_t> pilots, RowsView rows)
      : seed_(seed), pilots_(pilots), rows_(rows) {}

  // The one slot where `key` may lie; whether it does is for the row's key to say. Not on a default
  // dictionary.
  uint32_t Candidate(uint64_t key) const {
    const uint64_t hash = DictionaryHash::Mix(key ^ seed_);
    const uint16_t pilot = pilots_[DictionaryHash::Bucket(hash, pilots_.size())];
    return static_cast<uint32_t>(DictionaryHash::Slot(hash, pilot, rows_.slots_count));
  }

  // Slot of `key`, or kNoSlot; kNoSlot also for format::kEmptyKey.
  uint32_t Find(uint64_t key) const;

  // The same for many keys at once. slots.size() == keys.size(). No allocation.
  void FindAll(std::span<const uint64_t> keys, std::span<uint32_t> slots) const;

 private:
  friend class DictionaryLookup;
  uint64_t KeyAt(uint32_t slot) const;

  uint64_t seed_ = 0;
  std::span<const uint16_t> pilots_;
  RowsView rows_;
};

// Looks up a list of keys in order. While the caller works on the rows that were found, the memory
// reads of the next ones are under way: pilots far ahead, whole rows less far. One thread.
class DictionaryLookup {
 public:
  // slots.size() == keys.size(). `dictionary`, `keys` and `slots` must outlive the lookup.
  DictionaryLookup(const Dictionary& dictionary, std::span<const uint64_t> keys,
                   std::span<uint32_t> slots);

  // Fills slots[0, end), as Dictionary::Find would. `end` never goes back. Returns whether each key
  // found since the last call has a row. No allocation.
  bool ResolveUntil(size_t end);

 private:
  // Far enough to hide the latency of memory (rows) and of the last cache (pilots), near enough
  // that what was prefetched is still there.
  static constexpr size_t kRowsAhead = 96;
  static constexpr size_t kPilotsAhead = 32;

  void FetchPilot(size_t i);
  void FetchRow(size_t i);

  const Dictionary& dictionary_;
  std::span<const uint64_t> keys_;
  std::span<uint32_t> slots_;
  size_t resolved_ = 0;
  uint64_t hashes_[kPilotsAhead];  // of keys whose pilots are on their way, by i % kPilotsAhead
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_DICTIONARY_H_
