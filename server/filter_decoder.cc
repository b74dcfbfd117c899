#include "server/filter_decoder.h"

#include <span>

#include "absl/strings/str_cat.h"
#include "server/request_decoder.h"

namespace fmserve::server {
namespace {

// Walks a filter. Sets are combined as soon as there are two, so that the stack is never deeper
// than the filter.
class FilterWalk {
 public:
  explicit FilterWalk(FilterScratch* scratch) : scratch_(*scratch) {}

  absl::Status Visit(const v1::ItemFilter& filter) {
    switch (filter.condition_case()) {
      case v1::ItemFilter::kIn:
        return AtName("in", scratch_.filter.AttributeIn(filter.in().attribute(),
                                                        Texts(filter.in().values())));
      case v1::ItemFilter::kNotIn:
        return AtName("not_in", scratch_.filter.AttributeNotIn(filter.not_in().attribute(),
                                                               Texts(filter.not_in().values())));
      case v1::ItemFilter::kExclude:
        return AtName("exclude", Exclude(filter.exclude()));
      case v1::ItemFilter::kAllOf:
        return BelowName("all_of", Combine(filter.all_of(), &model::ItemFilter::And));
      case v1::ItemFilter::kAnyOf:
        return BelowName("any_of", Combine(filter.any_of(), &model::ItemFilter::Or));
      case v1::ItemFilter::CONDITION_NOT_SET:
        break;
    }
    return absl::InvalidArgumentError(
        "condition: not set; one of in, not_in, exclude, all_of and any_of has to be");
  }

 private:
  using Operation = absl::Status (model::ItemFilter::*)(size_t);

  static absl::Status AtName(absl::string_view name, const absl::Status& status) {
    return status.ok() ? status : AtPath(name, status);
  }
  static absl::Status BelowName(absl::string_view name, const absl::Status& status) {
    return status.ok() ? status : BelowPath(name, status);
  }

  absl::Status Combine(const v1::ItemFilters& message, Operation operation) {
    if (message.filters().empty())
      return absl::InvalidArgumentError("filters: empty; there has to be at least one");
    for (int i = 0; i < message.filters_size(); ++i) {
      absl::Status status = Visit(message.filters(i));
      if (!status.ok()) return BelowPath(absl::StrCat("filters[", i, "]"), status);
      if (i == 0) continue;
      status = (scratch_.filter.*operation)(2);
      if (!status.ok()) return AtPath(absl::StrCat("filters[", i, "]"), status);
    }
    return absl::OkStatus();
  }

  absl::Status Exclude(const v1::ItemIds& ids) {
    if (!ids.integers().empty() && !ids.strings().empty())
      return absl::InvalidArgumentError("integers, strings: only one of the two may have ids");
    if (!ids.strings().empty()) return scratch_.filter.ExcludeIds(Texts(ids.strings()));
    return scratch_.filter.ExcludeIds(
        std::span(ids.integers().data(), static_cast<size_t>(ids.integers_size())));
  }

  std::span<const std::string_view> Texts(
      const google::protobuf::RepeatedPtrField<std::string>& texts) {
    scratch_.texts.assign(texts.begin(), texts.end());
    return scratch_.texts;
  }

  FilterScratch& scratch_;
};

}  // namespace

absl::Status DecodeFilter(const model::FoldedCatalogue& catalogue, const v1::ItemFilter& message,
                          FilterScratch* scratch) {
  scratch->filter.Begin(catalogue);
  if (absl::Status status = FilterWalk(scratch).Visit(message); !status.ok())
    return BelowPath("filter", status);
  const absl::Status status = scratch->filter.End();
  return status.ok() ? status : AtPath("filter", status);
}

}  // namespace fmserve::server
