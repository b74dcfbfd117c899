// The ids of a catalogue's items: all integers or all strings, ascending.
#ifndef FMSERVE_MODEL_ITEM_IDS_H_
#define FMSERVE_MODEL_ITEM_IDS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "model/checkpoint.h"

namespace fmserve::model {

// The values are those of the file format (CATALOGUE_FORMAT.md).
enum class IdType : uint8_t { kInteger = 0, kString = 1 };

// Unowned view: immutable, safe from any thread. Items are numbered by the order of their ids.
class ItemIds {
 public:
  ItemIds() = default;
  explicit ItemIds(std::span<const uint64_t> ids) : size_(ids.size()), words_(ids) {}

  // String ids, ends and bytes as in the file. Nothing is checked yet.
  ItemIds(std::span<const uint64_t> ends, std::string_view text)
      : type_(IdType::kString), size_(ends.size()), words_(ends), text_(text) {}

  IdType type() const { return type_; }
  size_t size() const { return size_; }

  // DataLoss when ids do not strictly ascend, or an end, a length or an encoding is wrong; names
  // the item. Errors of `checkpoint`.
  absl::Status Check(Checkpoint checkpoint) const;

  // After Check. `item` < size(); the ids are of that type.
  uint64_t integer(size_t item) const { return words_[item]; }
  std::string_view text(size_t item) const {
    const uint64_t begin = item == 0 ? 0 : words_[item - 1];
    return text_.substr(begin, words_[item] - begin);
  }

  // Asks memory for what the next look at the id reads.
  // GCC 12 drops calls of a function that only prefetches when it does not inline them.
  [[gnu::always_inline]] void Prefetch(size_t item) const {
    __builtin_prefetch(words_.data() + item);
  }

  // Number of the item with that id; nothing when there is none or ids are of the other type.
  std::optional<uint32_t> Find(uint64_t id) const;
  std::optional<uint32_t> Find(std::string_view id) const;

  // The id as people read it.
  std::string ToString(size_t item) const;

 private:
  absl::Status CheckText(size_t item) const;

  IdType type_ = IdType::kInteger;
  size_t size_ = 0;
  std::span<const uint64_t> words_;  // ids, or ends of strings
  std::string_view text_;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_ITEM_IDS_H_
