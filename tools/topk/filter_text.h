// A filter of items as people write it:
//
//   genre in {news, "world cup"} and not (advertiser in {acme} or brand not in {a, b})
//
// `not` binds closest, then `and`, then `or`. Names and values are words, or quoted where they
// contain spaces or one of ( ) { } , " or are a word of the grammar; in quotes \" and \\ are a
// quote and a backslash.
#ifndef FMSERVE_TOOLS_TOPK_FILTER_TEXT_H_
#define FMSERVE_TOOLS_TOPK_FILTER_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/item_filter.h"

namespace fmserve::tools {

// An operation of ItemFilter; kAnd and kOr take the last two sets.
struct FilterStep {
  enum class Kind : uint8_t { kIn, kNotIn, kAnd, kOr };
  Kind kind = Kind::kIn;
  std::string attribute = {};            // kIn and kNotIn
  std::vector<std::string> values = {};  // kIn and kNotIn
  size_t column = 0;                     // of the text, from 1, in characters
};

// The operations in their order; `not` is carried to the leaves. InvalidArgument names the column.
absl::StatusOr<std::vector<FilterStep>> ParseFilter(std::string_view text);

// Begin, the operations, End. InvalidArgument names the column of what the catalogue or the filter
// refuses.
absl::Status ApplyFilter(const std::vector<FilterStep>& steps,
                         const model::FoldedCatalogue& catalogue, model::ItemFilter& filter);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TOPK_FILTER_TEXT_H_
