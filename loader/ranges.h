// A long download in pieces, several at a time.
#ifndef FMSERVE_LOADER_RANGES_H_
#define FMSERVE_LOADER_RANGES_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>

#include "absl/status/status.h"
#include "loader/source.h"

namespace fmserve::loader {

struct RangeOptions {
  uint64_t range_bytes = uint64_t{8} << 20;
  int parallel = 4;  // so many ranges lie in memory at most
  int attempts = 4;  // of one range that gets no further, for a passing reason
  std::chrono::milliseconds first_delay{
      100};  // before the second attempt; twice as long before each other
  // A server that asks to be left alone for longer is left to who calls.
  std::chrono::milliseconds max_delay{2000};
};

// Brings bytes first to first + size - 1 to the sink, in order. What it took before an error is the
// beginning of the range.
using GetRange = std::function<absl::Status(uint64_t first, uint64_t size,
                                            const std::stop_token& stop, const ByteSink& sink)>;

// Brings bytes `begin` to `end` - 1 to `sink`, in order and on the caller's thread, in pieces of up
// to model::kCheckpointBytes. A range that breaks off for a passing reason (Unavailable,
// DeadlineExceeded) goes on where it was. `get` is called by several threads of low priority. The
// first error, of the lowest range, ends it all and is returned; so does `cancelled`.
absl::Status FetchInRanges(uint64_t begin, uint64_t end, const RangeOptions& options,
                           const GetRange& get, const std::function<bool()>& cancelled,
                           const ByteSink& sink);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_RANGES_H_
