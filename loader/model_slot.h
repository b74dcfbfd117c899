// The swap: the one place where requests meet the loader.
#ifndef FMSERVE_LOADER_MODEL_SLOT_H_
#define FMSERVE_LOADER_MODEL_SLOT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "loader/canary_share.h"
#include "loader/snapshot.h"

namespace fmserve::loader {

// Holds the current snapshot, the previous one, the canary that answers a share of the requests
// beside the current one, and those that requests still hold. All methods are safe from any thread;
// none of them waits for a request, for memory to be unmapped, or for storage.
class ModelSlot {
 public:
  ModelSlot() = default;
  ModelSlot(const ModelSlot&) = delete;
  ModelSlot& operator=(const ModelSlot&) = delete;

  // The snapshot that answers this request: the current one, or the canary. Null before the first
  // Publish. Call it once per request. One short lock; without a canary the id is not looked at.
  std::shared_ptr<const Snapshot> Choose(std::string_view request_id) const;

  // The current snapshot, of all requests that no canary answers; null before the first Publish.
  std::shared_ptr<const Snapshot> Get() const;

  std::shared_ptr<const Snapshot> Previous() const;

  std::shared_ptr<const Snapshot> Canary() const;  // null: there is none

  // Serves `snapshot` from now on; what served becomes the previous one, and what was previous is
  // retired. When it is the canary it stops being one; another one stays.
  void Publish(std::shared_ptr<const Snapshot> snapshot);

  // Answers `share` of the requests with `snapshot` from now on; a canary before it is retired.
  // There is a current snapshot.
  void StartCanary(std::shared_ptr<const Snapshot> snapshot, CanaryShare share);

  // Retires the canary. False, and nothing happens, when there is none.
  bool EndCanary();

  // Exchanges current and previous. False, and nothing happens, when there is no previous one.
  bool Rollback();

  // Makes `snapshot` the previous one when there is a current but no previous one (after a
  // restart); else false.
  bool RestorePrevious(std::shared_ptr<const Snapshot> snapshot);

  // Size of all weight files, catalogues and folded catalogues that the slot keeps in memory; what
  // snapshots share counts once.
  uint64_t mapped_bytes() const;

  // How much of the weights of current, previous and canary lies on 2 MB pages.
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
  std::shared_ptr<const Snapshot> canary_;
  CanaryShare share_;
  std::vector<std::shared_ptr<const Snapshot>> retired_;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_MODEL_SLOT_H_
