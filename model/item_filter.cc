#include "model/item_filter.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "absl/strings/str_cat.h"
#include "model/text.h"

namespace fmserve::model {

void ItemFilter::Begin(const FoldedCatalogue& catalogue) {
  catalogue_ = &catalogue;
  depth_ = 0;
  operations_ = 0;
  terms_ = 0;
}

absl::Status ItemFilter::Admit(size_t terms_count, bool pushes) {
  if (++operations_ > kMaxFilterOperations) {
    return absl::InvalidArgumentError(
        absl::StrCat("a filter of more than ", kMaxFilterOperations, " operations"));
  }
  if (terms_count > kMaxFilterTerms - terms_) {
    return absl::InvalidArgumentError(
        absl::StrCat("a filter of more than ", kMaxFilterTerms, " values and ids"));
  }
  terms_ += terms_count;
  if (pushes && depth_ == kMaxFilterDepth) {
    return absl::InvalidArgumentError(
        absl::StrCat("a filter that holds more than ", kMaxFilterDepth,
                     " sets at once; combine sets as soon as they are there"));
  }
  return absl::OkStatus();
}

std::span<uint64_t> ItemFilter::Push() {
  if (stack_.size() == depth_) stack_.emplace_back();
  std::vector<uint64_t>& set = stack_[depth_++];
  set.assign(BitmapWords(catalogue_->file().size()), 0);
  return set;
}

void ItemFilter::Complement(std::span<uint64_t> set) const {
  const uint32_t size = catalogue_->file().size();
  for (uint64_t& word : set) word = ~word;
  if (size % 64 != 0) set[size / 64] &= ~uint64_t{0} >> (64 - size % 64);
  std::fill(set.begin() + (size + 63) / 64, set.end(), 0);
}

absl::Status ItemFilter::PushAttribute(std::string_view attribute,
                                       std::span<const std::string_view> values) {
  if (absl::Status status = Admit(values.size(), /*pushes=*/true); !status.ok()) return status;
  const std::vector<Attribute>& attributes = catalogue_->file().attributes();
  const auto found = std::find_if(attributes.begin(), attributes.end(),
                                  [&](const Attribute& a) { return a.name == attribute; });
  if (found == attributes.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the catalogue has no attribute ", Quote(attribute)));
  }
  const std::span<uint64_t> set = Push();
  for (const std::string_view value : values) {
    const std::optional<uint32_t> number = found->Find(value);
    if (!number.has_value()) continue;
    catalogue_->attributes_.Add(static_cast<size_t>(found - attributes.begin()), *number, set);
  }
  return absl::OkStatus();
}

absl::Status ItemFilter::AttributeIn(std::string_view attribute,
                                     std::span<const std::string_view> values) {
  return PushAttribute(attribute, values);
}

absl::Status ItemFilter::AttributeNotIn(std::string_view attribute,
                                        std::span<const std::string_view> values) {
  absl::Status status = PushAttribute(attribute, values);
  if (status.ok()) Complement(stack_[depth_ - 1]);
  return status;
}

template <typename Id>
absl::Status ItemFilter::PushAllBut(IdType type, std::span<const Id> ids) {
  if (absl::Status status = Admit(ids.size(), /*pushes=*/true); !status.ok()) return status;
  if (catalogue_->file().ids().type() != type) {
    return absl::InvalidArgumentError(
        absl::StrCat("the catalogue's ids are ",
                     type == IdType::kInteger ? "strings, not integers" : "integers, not strings"));
  }
  const std::span<uint64_t> set = Push();
  Complement(set);
  for (const Id& id : ids) {
    const std::optional<uint32_t> item = catalogue_->file().ids().Find(id);
    if (!item.has_value()) continue;
    const uint32_t place = catalogue_->places_[*item];
    set[place / 64] &= ~(uint64_t{1} << (place % 64));
  }
  return absl::OkStatus();
}

absl::Status ItemFilter::ExcludeIds(std::span<const uint64_t> ids) {
  return PushAllBut(IdType::kInteger, ids);
}

absl::Status ItemFilter::ExcludeIds(std::span<const std::string_view> ids) {
  return PushAllBut(IdType::kString, ids);
}

template <typename Operation>
absl::Status ItemFilter::Reduce(size_t sets_count, Operation operation) {
  if (absl::Status status = Admit(0, /*pushes=*/false); !status.ok()) return status;
  if (sets_count == 0 || sets_count > depth_) {
    return absl::InvalidArgumentError(
        absl::StrCat("an operation on ", sets_count, " sets where ", depth_, " are there"));
  }
  const size_t first = depth_ - sets_count;
  for (size_t i = first + 1; i < depth_; ++i) {
    std::transform(stack_[first].begin(), stack_[first].end(), stack_[i].begin(),
                   stack_[first].begin(), operation);
  }
  depth_ = first + 1;
  return absl::OkStatus();
}

absl::Status ItemFilter::And(size_t sets_count) { return Reduce(sets_count, std::bit_and<>()); }

absl::Status ItemFilter::Or(size_t sets_count) { return Reduce(sets_count, std::bit_or<>()); }

absl::Status ItemFilter::End() const {
  if (depth_ == 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a filter of ", depth_, " sets; combine them into one"));
}

uint32_t ItemFilter::CountItems() const {
  uint32_t count = 0;
  for (const uint64_t word : stack_[0]) count += static_cast<uint32_t>(std::popcount(word));
  return count;
}

}  // namespace fmserve::model
