#include "loader/pacer.h"

#include <algorithm>
#include <ctime>
#include <thread>
#include <utility>

namespace fmserve::loader {
namespace {

std::chrono::nanoseconds ProcessorTimeOfThread() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

Pacer::Pacer(std::stop_token stop)
    : stop_(std::move(stop)), slice_begin_(ProcessorTimeOfThread()) {}

absl::Status Pacer::Step() {
  if (stop_.stop_requested()) return absl::CancelledError("stopped");
  const std::chrono::nanoseconds worked = ProcessorTimeOfThread() - slice_begin_;
  if (worked < kSlice) return absl::OkStatus();
  std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(kRestPerWork * worked, kMaxRest));
  slice_begin_ = ProcessorTimeOfThread();
  return absl::OkStatus();
}

}  // namespace fmserve::loader
