// The search for pilots: what the writer of a file does once, so that lookups need one pilot and
// one row.
#include <algorithm>
#include <numeric>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/dictionary.h"

namespace fmserve::model {
namespace {

constexpr uint64_t kMaxKeys = uint64_t{1} << 31;
constexpr double kKeysPerBucket = 3.5;  // 0.57 bytes of pilots per key
constexpr double kLoad = 0.99;  // keys per slot; every empty slot is a row that holds nothing
constexpr uint32_t kPilots = 1 << 16;
constexpr uint64_t kMaxSeeds = 64;

// The hashes of all keys, those of a bucket side by side: bucket b has hashes[begins[b]] to
// hashes[begins[b + 1]].
struct Buckets {
  std::vector<uint64_t> hashes;
  std::vector<uint32_t> begins;

  size_t size() const { return begins.size() - 1; }
  std::span<const uint64_t> operator[](size_t b) const {
    return std::span(hashes).subspan(begins[b], begins[b + 1] - begins[b]);
  }
};

Buckets FillBuckets(std::span<const uint64_t> keys, uint64_t seed, size_t buckets_count) {
  Buckets buckets{.hashes = std::vector<uint64_t>(keys.size()),
                  .begins = std::vector<uint32_t>(buckets_count + 1)};
  for (const uint64_t key : keys) {
    ++buckets.begins[DictionaryHash::Bucket(DictionaryHash::Mix(key ^ seed), buckets_count)];
  }
  // Counts become ends, and each placement below moves its bucket's end down: what remains are the
  // beginnings.
  std::partial_sum(buckets.begins.begin(), buckets.begins.end(), buckets.begins.begin());
  for (const uint64_t key : keys) {
    const uint64_t hash = DictionaryHash::Mix(key ^ seed);
    buckets.hashes[--buckets.begins[DictionaryHash::Bucket(hash, buckets_count)]] = hash;
  }
  return buckets;
}

// Bucket numbers, the largest buckets first: they need many free slots at once.
std::vector<uint32_t> BySizeDescending(const Buckets& buckets) {
  size_t largest = 0;
  for (size_t b = 0; b < buckets.size(); ++b) largest = std::max(largest, buckets[b].size());
  std::vector<uint32_t> next(largest +
                             1);  // next[s]: where the next bucket of size largest - s goes
  for (size_t b = 0; b < buckets.size(); ++b) {
    if (!buckets[b].empty()) ++next[largest - buckets[b].size() + 1];
  }
  std::partial_sum(next.begin(), next.end(), next.begin());
  const uint32_t filled_count = next.back();
  std::vector<uint32_t> order(filled_count);
  for (size_t b = 0; b < buckets.size(); ++b) {
    if (!buckets[b].empty()) order[next[largest - buckets[b].size()]++] = static_cast<uint32_t>(b);
  }
  return order;
}

class SlotBitmap {
 public:
  explicit SlotBitmap(uint64_t slots_count) : words_((slots_count + 63) / 64) {}
  bool taken(uint64_t slot) const { return (words_[slot / 64] >> (slot % 64) & 1) != 0; }
  void Take(uint64_t slot) { words_[slot / 64] |= uint64_t{1} << (slot % 64); }
  void Release(uint64_t slot) { words_[slot / 64] &= ~(uint64_t{1} << (slot % 64)); }

 private:
  std::vector<uint64_t> words_;
};

// Takes a slot of its own for each hash; false, with nothing taken, when `pilot` leads two of them
// to one slot or one of them to a slot that is taken.
bool TryPilot(std::span<const uint64_t> hashes, uint16_t pilot, uint64_t slots_count,
              SlotBitmap& bitmap) {
  for (const uint64_t hash : hashes) {
    if (bitmap.taken(DictionaryHash::Slot(hash, pilot, slots_count))) return false;
  }
  for (size_t i = 0; i < hashes.size(); ++i) {
    const uint64_t slot = DictionaryHash::Slot(hashes[i], pilot, slots_count);
    if (bitmap.taken(slot)) {
      while (i-- > 0) bitmap.Release(DictionaryHash::Slot(hashes[i], pilot, slots_count));
      return false;
    }
    bitmap.Take(slot);
  }
  return true;
}

// False when some bucket has no pilot.
bool FindPilots(const Buckets& buckets, uint64_t slots_count, std::vector<uint16_t>& pilots) {
  SlotBitmap bitmap(slots_count);
  for (const uint32_t b : BySizeDescending(buckets)) {
    uint32_t pilot = 0;
    while (pilot < kPilots &&
           !TryPilot(buckets[b], static_cast<uint16_t>(pilot), slots_count, bitmap))
      ++pilot;
    if (pilot == kPilots) return false;
    pilots[b] = static_cast<uint16_t>(pilot);
  }
  return true;
}

// Hashing is a bijection, so keys are equal where hashes are, and equal ones share a bucket.
absl::Status CheckKeys(std::span<const uint64_t> keys, uint64_t seed, Buckets& buckets) {
  const auto empty = std::find(keys.begin(), keys.end(), format::kEmptyKey);
  if (empty != keys.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "key ", empty - keys.begin(), " is 0, which marks empty slots; no feature has it"));
  }
  for (size_t b = 0; b < buckets.size(); ++b) {
    const auto begin = buckets.hashes.begin() + buckets.begins[b];
    const auto end = buckets.hashes.begin() + buckets.begins[b + 1];
    std::sort(begin, end);
    const auto twin = std::adjacent_find(begin, end);
    if (twin == end) continue;
    const auto same = [&](uint64_t key) { return DictionaryHash::Mix(key ^ seed) == *twin; };
    const auto first = std::find_if(keys.begin(), keys.end(), same);
    const auto second = std::find_if(first + 1, keys.end(), same);
    return absl::InvalidArgumentError(absl::StrCat("keys ", first - keys.begin(), " and ",
                                                   second - keys.begin(), " are both ",
                                                   absl::Hex(*first, absl::kZeroPad16)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DictionaryPlan> PlanDictionary(std::span<const uint64_t> keys) {
  if (keys.size() > kMaxKeys) {
    return absl::InvalidArgumentError(
        absl::StrCat(keys.size(), " keys, more than ", kMaxKeys, " are not possible"));
  }
  DictionaryPlan plan;
  plan.slots_count = static_cast<uint64_t>(static_cast<double>(keys.size()) / kLoad) + 1;
  plan.pilots.resize(static_cast<size_t>(static_cast<double>(keys.size()) / kKeysPerBucket) + 1);
  for (uint64_t attempt = 1; attempt <= kMaxSeeds; ++attempt) {
    plan.seed = DictionaryHash::Mix(attempt);
    Buckets buckets = FillBuckets(keys, plan.seed, plan.pilots.size());
    if (attempt == 1) {
      if (absl::Status status = CheckKeys(keys, plan.seed, buckets); !status.ok()) return status;
    }
    if (!FindPilots(buckets, plan.slots_count, plan.pilots)) continue;
    plan.slots.reserve(keys.size());
    for (const uint64_t key : keys) {
      const uint64_t hash = DictionaryHash::Mix(key ^ plan.seed);
      const uint16_t pilot = plan.pilots[DictionaryHash::Bucket(hash, plan.pilots.size())];
      plan.slots.push_back(
          static_cast<uint32_t>(DictionaryHash::Slot(hash, pilot, plan.slots_count)));
    }
    return plan;
  }
  return absl::InternalError(
      absl::StrCat("no dictionary for ", keys.size(), " keys in ", kMaxSeeds, " attempts"));
}

}  // namespace fmserve::model
