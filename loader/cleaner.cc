#include "loader/cleaner.h"

#include <chrono>
#include <memory>
#include <utility>

#include "loader/pacer.h"
#include "loader/thread_priority.h"

namespace fmserve::loader {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRetiredCheckInterval{50};

// After each step of FreeInSteps: at most 35 MB/s, because a journal that is written every few
// seconds tells the disk of all that was freed since at once. By the clock, because it is the disk,
// or what stands behind it, that works meanwhile.
constexpr milliseconds kFreeStepRest{60};

}  // namespace

Cleaner::Cleaner(ModelSlot& slot)
    : slot_(slot), thread_([this](const std::stop_token& stop) { Run(stop); }) {}

Cleaner::~Cleaner() = default;

void Cleaner::SnapshotWasRetired() {
  {
    const std::lock_guard lock(mutex_);
    retired_ = true;
  }
  wake_.notify_one();
}

void Cleaner::Free(FileDescriptor file) {
  {
    const std::lock_guard lock(mutex_);
    files_.push_back(std::move(file));
  }
  wake_.notify_one();
}

void Cleaner::Run(const std::stop_token& stop) {
  LowerThreadPriority();
  std::unique_lock lock(mutex_);
  while (wake_.wait(lock, stop, [this] { return retired_ || !files_.empty(); })) {
    retired_ = false;
    // Taken before the look at the slot: who gave a file had retired its snapshot before.
    const std::vector<FileDescriptor> files = std::exchange(files_, {});
    lock.unlock();
    UnmapUnused(stop);
    while (slot_.HasRetired() && !stop.stop_requested()) {
      std::this_thread::sleep_for(kRetiredCheckInterval);
      UnmapUnused(stop);
    }
    for (const FileDescriptor& file : files) {
      FreeInSteps(file, [this, &stop] {
        UnmapUnused(stop);
        std::this_thread::sleep_for(kFreeStepRest);
        return stop.stop_requested() ? absl::CancelledError("stopped") : absl::OkStatus();
      }).IgnoreError();  // closing frees the rest
    }
    lock.lock();
  }
}

void Cleaner::UnmapUnused(const std::stop_token& stop) {
  Pacer pacer(stop);
  for (const std::shared_ptr<const Snapshot>& snapshot : slot_.TakeUnused()) {
    snapshot->file().ReleasePages([&pacer] { return pacer.Step(); }).IgnoreError();
  }
}

}  // namespace fmserve::loader
