// From ids to the numbers of a catalogue's items. Internal to model/.
#ifndef FMSERVE_MODEL_ITEM_INDEX_H_
#define FMSERVE_MODEL_ITEM_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checkpoint.h"
#include "model/item_ids.h"
#include "model/table_memory.h"

namespace fmserve::model {

inline constexpr uint32_t kNoItem = UINT32_MAX;

// A hash table of item numbers, half full at most, with linear probing: 8 to 16 bytes per item.
// Binary search would miss the cache 20 times among a million ids. Immutable; safe from any
// thread. Movable.
class ItemIndex {
 public:
  ItemIndex() = default;

  // `ids` must outlive the index and be without duplicates. Errors of `checkpoint`;
  // ResourceExhausted.
  static absl::StatusOr<ItemIndex> Build(const ItemIds& ids, Checkpoint checkpoint);

  // items[i]: the item with ids[i], or kNoItem; also when the ids are of the other type. The sizes
  // are the same. Fastest for many at once.
  void Find(std::span<const uint64_t> ids, std::span<uint32_t> items) const;
  void Find(std::span<const std::string_view> ids, std::span<uint32_t> items) const;

  size_t bytes() const { return memory_.size(); }

  // As TableMemory: nothing may be read after that.
  absl::Status ReleasePages(Checkpoint checkpoint) const {
    return memory_.ReleasePages(checkpoint);
  }

 private:
  template <typename Id>
  void FindAll(IdType type, std::span<const Id> ids, std::span<uint32_t> items) const;
  template <typename Id>
  uint32_t FindFrom(uint64_t slot, const Id& id) const;
  void Insert(uint64_t hash, uint32_t item);

  const ItemIds* ids_ = nullptr;
  TableMemory memory_;
  uint32_t* slots_ = nullptr;  // item + 1; 0: empty
  uint64_t mask_ = 0;          // slots - 1, a power of two less one
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_ITEM_INDEX_H_
