#include "loader/pacer.h"

#include <algorithm>
#include <thread>

namespace fmserve::loader {

using std::chrono::steady_clock;

absl::Status Pacer::Step() {
  if (stop_.stop_requested()) return absl::CancelledError("stopped");
  const steady_clock::duration worked = steady_clock::now() - slice_begin_;
  if (worked < kSlice) return absl::OkStatus();
  std::this_thread::sleep_for(std::min<steady_clock::duration>(worked, kMaxRest));
  slice_begin_ = steady_clock::now();
  return absl::OkStatus();
}

}  // namespace fmserve::loader
