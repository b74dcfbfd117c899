#include "model/item_index.h"

#include <algorithm>
#include <array>
#include <bit>

#include "model/dictionary.h"
#include "model/feature_schema.h"

namespace fmserve::model {
namespace {

// Ids that are looked up together: their slots are asked for before the first is needed.
constexpr size_t kBatchIds = 32;
constexpr uint32_t kItemsPerCheckpoint = 256;

uint64_t HashOf(uint64_t id) { return DictionaryHash::Mix(id); }
uint64_t HashOf(std::string_view id) { return ValueKey(0, id); }

bool Matches(const ItemIds& ids, uint32_t item, uint64_t id) { return ids.integer(item) == id; }
bool Matches(const ItemIds& ids, uint32_t item, std::string_view id) {
  return ids.text(item) == id;
}

}  // namespace

absl::StatusOr<ItemIndex> ItemIndex::Build(const ItemIds& ids, Checkpoint checkpoint) {
  ItemIndex index;
  index.ids_ = &ids;
  const uint64_t slots_count = std::bit_ceil(std::max<uint64_t>(2 * ids.size(), 1));
  absl::StatusOr<TableMemory> memory = TableMemory::Allocate(slots_count * sizeof(uint32_t));
  if (!memory.ok()) return memory.status();
  index.memory_ = *std::move(memory);
  index.slots_ = reinterpret_cast<uint32_t*>(index.memory_.data());
  index.mask_ = slots_count - 1;
  const auto size = static_cast<uint32_t>(ids.size());
  for (uint32_t item = 0; item < size; ++item) {
    if (item % kItemsPerCheckpoint == 0) {
      if (absl::Status status = checkpoint(); !status.ok()) return status;
    }
    index.Insert(
        ids.type() == IdType::kInteger ? HashOf(ids.integer(item)) : HashOf(ids.text(item)), item);
  }
  return index;
}

void ItemIndex::Insert(uint64_t hash, uint32_t item) {
  uint64_t slot = hash & mask_;
  while (slots_[slot] != 0) slot = (slot + 1) & mask_;
  slots_[slot] = item + 1;
}

template <typename Id>
uint32_t ItemIndex::FindFrom(uint64_t slot, const Id& id) const {
  for (; slots_[slot] != 0; slot = (slot + 1) & mask_) {
    if (Matches(*ids_, slots_[slot] - 1, id)) return slots_[slot] - 1;
  }
  return kNoItem;
}

template <typename Id>
void ItemIndex::FindAll(IdType type, std::span<const Id> ids, std::span<uint32_t> items) const {
  if (ids_ == nullptr || ids_->type() != type) {
    std::ranges::fill(items, kNoItem);
    return;
  }
  std::array<uint64_t, kBatchIds> slots;
  while (!ids.empty()) {
    const auto batch = ids.first(std::min(kBatchIds, ids.size()));
    for (size_t i = 0; i < batch.size(); ++i) {
      slots[i] = HashOf(batch[i]) & mask_;
      __builtin_prefetch(slots_ + slots[i]);
    }
    for (size_t i = 0; i < batch.size(); ++i) {
      if (slots_[slots[i]] != 0) ids_->Prefetch(slots_[slots[i]] - 1);
    }
    for (size_t i = 0; i < batch.size(); ++i) items[i] = FindFrom(slots[i], batch[i]);
    ids = ids.subspan(batch.size());
    items = items.subspan(batch.size());
  }
}

void ItemIndex::Find(std::span<const uint64_t> ids, std::span<uint32_t> items) const {
  FindAll(IdType::kInteger, ids, items);
}

void ItemIndex::Find(std::span<const std::string_view> ids, std::span<uint32_t> items) const {
  FindAll(IdType::kString, ids, items);
}

}  // namespace fmserve::model
