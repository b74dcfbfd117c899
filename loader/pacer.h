// Keeps long work on a processor that also answers requests from being noticed.
#ifndef FMSERVE_LOADER_PACER_H_
#define FMSERVE_LOADER_PACER_H_

#include <chrono>
#include <stop_token>

#include "absl/status/status.h"

namespace fmserve::loader {

// Makes work of short slices, each followed by a rest of four times its length. A low priority
// alone is not enough: the kernel finishes what it does for a thread (a write, a page fault) before
// a more important one may run, and it hardly moves waiting threads to a processor that has
// anything to do, however unimportant. A rest ends both within a slice. Slices are measured in
// processor time: who had to wait for others, or for a disk, has rested already. For one thread:
// that which makes it and calls it.
class Pacer {
 public:
  static constexpr std::chrono::microseconds kSlice{250};
  static constexpr int kRestPerWork = 4;
  static constexpr std::chrono::milliseconds kMaxRest{10};

  explicit Pacer(std::stop_token stop);

  // Call it after each small piece of work (model/checkpoint.h). Rests when a slice is over.
  // Cancelled when `stop` asks for it.
  absl::Status Step();

 private:
  const std::stop_token stop_;
  std::chrono::nanoseconds slice_begin_;  // of the thread's processor time
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_PACER_H_
