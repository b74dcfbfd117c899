// From the filter of a TopK request to the set of items that it lets through.
#ifndef FMSERVE_SERVER_FILTER_DECODER_H_
#define FMSERVE_SERVER_FILTER_DECODER_H_

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "fmserve/v1/prediction.pb.h"
#include "model/item_filter.h"

namespace fmserve::server {

// Memory of one request, used again for the next one. One thread at a time.
struct FilterScratch {
  model::ItemFilter filter;
  std::vector<std::string_view> texts;
};

// Leaves the set in scratch->filter; `catalogue` must outlive its use. InvalidArgument begins with
// the path of what is wrong, as in "filter.all_of.filters[1].in.attribute: …".
absl::Status DecodeFilter(const model::FoldedCatalogue& catalogue, const v1::ItemFilter& message,
                          FilterScratch* scratch);

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_FILTER_DECODER_H_
