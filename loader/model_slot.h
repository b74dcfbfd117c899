// The swap: the one place where requests meet the loader.
#ifndef FMSERVE_LOADER_MODEL_SLOT_H_
#define FMSERVE_LOADER_MODEL_SLOT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "loader/snapshot.h"

namespace fmserve::loader {

// Holds the current snapshot, the previous one, and those that requests still hold. All methods are
// safe from any thread; none of them waits for a request, for memory to be unmapped, or for
// storage.
class ModelSlot {
 public:
  ModelSlot() = default;
  ModelSlot(const ModelSlot&) = delete;
  ModelSlot& operator=(const ModelSlot&) = delete;

  // The snapshot that serves now; null before the first Publish. Call it once per request.
  std::shared_ptr<const Snapshot> Get() const;

  std::shared_ptr<const Snapshot> Previous() const;

  // Serves `snapshot` from now on; what served becomes the previous one, and what was previous is
  // retired.
  void Publish(std::shared_ptr<const Snapshot> snapshot);

  // Exchanges current and previous. False, and nothing happens, when there is no previous one.
  bool Rollback();

  // Makes `snapshot` the previous one when there is a current but no previous one (after a
  // restart); else false.
  bool RestorePrevious(std::shared_ptr<const Snapshot> snapshot);

  // Size of all weight files, catalogues and folded catalogues that the slot keeps in memory; what
  // snapshots share counts once.
  uint64_t mapped_bytes() const;

  // How much of the weights of current and previous lies on 2 MB pages.
  uint64_t huge_page_bytes() const;

  // Takes out the retired snapshots that no request holds any more. The caller has the last
  // references and pays for the unmapping, which a request must not.
  std::vector<std::shared_ptr<const Snapshot>> TakeUnused();

  // Whether requests still hold retired snapshots.
  bool HasRetired() const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> current_;
  std::shared_ptr<const Snapshot> previous_;
  std::vector<std::shared_ptr<const Snapshot>> retired_;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_MODEL_SLOT_H_
