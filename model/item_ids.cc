#include "model/item_ids.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "model/catalogue_format.h"
#include "model/text.h"

namespace fmserve::model {
namespace {

constexpr size_t kIdsPerCheckpoint = kCheckpointBytes / 32;

}  // namespace

absl::Status ItemIds::CheckText(size_t item) const {
  const uint64_t begin = item == 0 ? 0 : words_[item - 1];
  if (words_[item] <= begin || words_[item] > text_.size() ||
      words_[item] - begin > format::kMaxIdBytes) {
    return absl::DataLossError(absl::StrCat("item ", item, ": the id ends at ", words_[item],
                                            ", not 1 to ", format::kMaxIdBytes, " bytes after ",
                                            begin, " within the ", text_.size(), " there are"));
  }
  if (!IsUtf8(text(item)))
    return absl::DataLossError(absl::StrCat("item ", item, ": the id is not UTF-8"));
  return absl::OkStatus();
}

absl::Status ItemIds::Check(Checkpoint checkpoint) const {
  for (size_t item = 0; item < size_; ++item) {
    if (item % kIdsPerCheckpoint == 0) {
      if (absl::Status status = checkpoint(); !status.ok()) return status;
    }
    bool ascends = true;
    if (type_ == IdType::kString) {
      if (absl::Status status = CheckText(item); !status.ok()) return status;
      ascends = item == 0 || text(item - 1) < text(item);
    } else {
      ascends = item == 0 || words_[item - 1] < words_[item];
    }
    if (!ascends) {
      return absl::DataLossError(
          absl::StrCat("item ", item, ": the id is not above the one before it"));
    }
  }
  const uint64_t text_bytes = size_ == 0 || type_ == IdType::kInteger ? 0 : words_[size_ - 1];
  if (text_bytes != text_.size())
    return absl::DataLossError(absl::StrCat(text_.size() - text_bytes, " bytes left over"));
  return absl::OkStatus();
}

std::optional<uint32_t> ItemIds::Find(uint64_t id) const {
  if (type_ != IdType::kInteger) return std::nullopt;
  const auto found = std::lower_bound(words_.begin(), words_.end(), id);
  if (found == words_.end() || *found != id) return std::nullopt;
  return static_cast<uint32_t>(found - words_.begin());
}

std::optional<uint32_t> ItemIds::Find(std::string_view id) const {
  if (type_ != IdType::kString) return std::nullopt;
  size_t first = 0;
  for (size_t count = size_; count > 0;) {
    const size_t half = count / 2;
    if (text(first + half) < id) {
      first += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  if (first == size_ || text(first) != id) return std::nullopt;
  return static_cast<uint32_t>(first);
}

std::string ItemIds::ToString(size_t item) const {
  return type_ == IdType::kString ? Quote(text(item)) : absl::StrCat(integer(item));
}

}  // namespace fmserve::model
