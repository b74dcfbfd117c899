// Gives back what a swap leaves behind, so slowly that no request notices.
#ifndef FMSERVE_LOADER_CLEANER_H_
#define FMSERVE_LOADER_CLEANER_H_

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "loader/file_util.h"
#include "loader/model_slot.h"

namespace fmserve::loader {

// A thread of its own at low priority: freeing a file of 500 MB takes 15 s, and nothing that
// loads has to wait for it. While versions come faster than that, it hurries: what waits is
// bounded. Safe from any thread.
class Cleaner {
 public:
  // `slot` must outlive it.
  explicit Cleaner(ModelSlot& slot);
  Cleaner(const Cleaner&) = delete;
  Cleaner& operator=(const Cleaner&) = delete;
  ~Cleaner();  // stops; what is left is freed at once

  // The slot has retired a snapshot: it is unmapped as soon as no request holds it.
  void SnapshotWasRetired();

  // Frees a file that has no name any more (DetachFile), when no retired snapshot is left that may
  // map it. Current, previous and canary must not.
  void Free(FileDescriptor file);

 private:
  void Run(const std::stop_token& stop);
  void UnmapUnused(const std::stop_token& stop);

  ModelSlot& slot_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool retired_ = false;
  std::vector<FileDescriptor> files_;
  std::atomic<size_t> waiting_files_count_ = 0;  // the one that is being freed included
  std::jthread thread_;                          // last: it uses the others
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_CLEANER_H_
