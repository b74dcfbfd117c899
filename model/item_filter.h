// Which items of a catalogue a request may retrieve: a boolean expression over attributes and ids.
//
// Built from its leaves up, as a stack: each leaf pushes a set of items, And and Or replace the
// last ones by one. "genre in {a, b} and not yet seen":
//
//   filter.Begin(catalogue);
//   filter.AttributeIn("genre", {a, b});  filter.ExcludeIds(seen);  filter.And(2);
//   filter.End();
#ifndef FMSERVE_MODEL_ITEM_FILTER_H_
#define FMSERVE_MODEL_ITEM_FILTER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "model/folded_catalogue.h"

namespace fmserve::model {

inline constexpr size_t kMaxFilterDepth = 16;        // sets on the stack
inline constexpr size_t kMaxFilterOperations = 256;  // of any kind, per filter
inline constexpr size_t kMaxFilterTerms = 10'000;    // values and ids, per filter

// One thread. A set is a bitmap of the catalogue's items, so an operation takes the time of reading
// an eighth of a byte per item, and of one step per item of each value that few items have. Does
// not allocate once it has seen the deepest filter of the largest catalogue. Errors are
// InvalidArgument and say what is wrong; after one, only Begin.
class ItemFilter {
 public:
  // `catalogue` must outlive the filter's use.
  void Begin(const FoldedCatalogue& catalogue);

  // Items that have at least one of the values, or none of them. A value that no item has is no
  // error; an attribute that the catalogue does not have is.
  absl::Status AttributeIn(std::string_view attribute, std::span<const std::string_view> values);
  absl::Status AttributeNotIn(std::string_view attribute, std::span<const std::string_view> values);

  // All items but these; ids that the catalogue does not have are no error, ids of the other type
  // are.
  absl::Status ExcludeIds(std::span<const uint64_t> ids);
  absl::Status ExcludeIds(std::span<const std::string_view> ids);

  // Replaces the last `sets_count` sets, at least one, by their intersection or union.
  absl::Status And(size_t sets_count);
  absl::Status Or(size_t sets_count);

  // One set must be left: the items that FoldedCatalogue::Best may return.
  absl::Status End() const;

  // After End. How many items the set has.
  uint32_t CountItems() const;

 private:
  friend class CatalogueScan;
  std::span<const uint64_t> words() const { return stack_[0]; }

  absl::Status Admit(size_t terms_count, bool pushes);
  absl::Status PushAttribute(std::string_view attribute, std::span<const std::string_view> values);
  template <typename Id>
  absl::Status PushAllBut(IdType type, std::span<const Id> ids);
  template <typename Operation>
  absl::Status Reduce(size_t sets_count, Operation operation);
  void Complement(std::span<uint64_t> set) const;
  std::span<uint64_t> Push();

  const FoldedCatalogue* catalogue_ = nullptr;
  std::vector<std::vector<uint64_t>> stack_;  // the first depth_ are in use
  size_t depth_ = 0;
  size_t operations_ = 0;
  size_t terms_ = 0;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_ITEM_FILTER_H_
