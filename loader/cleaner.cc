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

// With more there are no rests: files without a name still take room on the disk.
constexpr size_t kMaxFilesFreedGently = 2;

// Takes pages of what nobody else holds out of memory; what another snapshot shares stays as it is.
// A count of one stays one: references come from snapshots alone.
template <typename T>
void ReleaseIfLast(const std::shared_ptr<const T>& last, model::Checkpoint checkpoint) {
  if (last.use_count() == 1) last->ReleasePages(checkpoint).IgnoreError();
}

// The last to hold it calls this. From what is built upon others down to these.
void Release(std::shared_ptr<const Snapshot> snapshot, model::Checkpoint checkpoint) {
  const std::shared_ptr<const model::WeightFile> weights = snapshot->shared_file();
  std::shared_ptr<const model::FoldedCatalogue> catalogue = snapshot->shared_catalogue();
  snapshot.reset();
  if (catalogue != nullptr) {
    const std::shared_ptr<const model::CatalogueFile> items = catalogue->shared_file();
    ReleaseIfLast(catalogue, checkpoint);
    catalogue.reset();
    ReleaseIfLast(items, checkpoint);
  }
  ReleaseIfLast(weights, checkpoint);
}

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
    ++waiting_files_count_;
  }
  wake_.notify_one();
}

void Cleaner::Run(const std::stop_token& stop) {
  LowerThreadPriority();
  std::unique_lock lock(mutex_);
  while (wake_.wait(lock, stop, [this] { return retired_ || !files_.empty(); })) {
    retired_ = false;
    // Taken before the look at the slot: who gave a file had retired its snapshot before.
    std::vector<FileDescriptor> files = std::exchange(files_, {});
    lock.unlock();
    UnmapUnused(stop);
    while (slot_.HasRetired() && !stop.stop_requested()) {
      std::this_thread::sleep_for(kRetiredCheckInterval);
      UnmapUnused(stop);
    }
    for (FileDescriptor& waiting : files) {
      const FileDescriptor file = std::move(waiting);
      FreeInSteps(file, [this, &stop] {
        UnmapUnused(stop);
        if (waiting_files_count_ <= kMaxFilesFreedGently)
          std::this_thread::sleep_for(kFreeStepRest);
        return stop.stop_requested() ? absl::CancelledError("stopped") : absl::OkStatus();
      }).IgnoreError();  // closing frees the rest
      --waiting_files_count_;
    }
    lock.lock();
  }
}

void Cleaner::UnmapUnused(const std::stop_token& stop) {
  Pacer pacer(stop);
  for (std::shared_ptr<const Snapshot>& snapshot : slot_.TakeUnused())
    Release(std::move(snapshot), [&pacer] { return pacer.Step(); });
}

}  // namespace fmserve::loader
