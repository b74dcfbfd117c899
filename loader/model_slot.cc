#include "loader/model_slot.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace fmserve::loader {

std::shared_ptr<const Snapshot> ModelSlot::Choose(std::string_view request_id) const {
  const std::lock_guard lock(mutex_);
  return canary_ != nullptr && share_.Has(request_id) ? canary_ : current_;
}

std::shared_ptr<const Snapshot> ModelSlot::Get() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

std::shared_ptr<const Snapshot> ModelSlot::Previous() const {
  const std::lock_guard lock(mutex_);
  return previous_;
}

std::shared_ptr<const Snapshot> ModelSlot::Canary() const {
  const std::lock_guard lock(mutex_);
  return canary_;
}

void ModelSlot::StartCanary(std::shared_ptr<const Snapshot> snapshot, CanaryShare share) {
  const std::lock_guard lock(mutex_);
  if (canary_ != nullptr) retired_.push_back(std::move(canary_));
  canary_ = std::move(snapshot);
  share_ = share;
}

bool ModelSlot::EndCanary() {
  const std::lock_guard lock(mutex_);
  if (canary_ == nullptr) return false;
  retired_.push_back(std::move(canary_));
  return true;
}

void ModelSlot::Publish(std::shared_ptr<const Snapshot> snapshot) {
  const std::lock_guard lock(mutex_);
  if (snapshot == canary_) canary_.reset();
  if (previous_ != nullptr) retired_.push_back(std::move(previous_));
  previous_ = std::exchange(current_, std::move(snapshot));
}

bool ModelSlot::Rollback() {
  const std::lock_guard lock(mutex_);
  if (previous_ == nullptr) return false;
  std::swap(current_, previous_);
  return true;
}

bool ModelSlot::RestorePrevious(std::shared_ptr<const Snapshot> snapshot) {
  const std::lock_guard lock(mutex_);
  if (current_ == nullptr || previous_ != nullptr) return false;
  previous_ = std::move(snapshot);
  return true;
}

uint64_t ModelSlot::mapped_bytes() const {
  const std::lock_guard lock(mutex_);
  std::set<const void*> counted;
  uint64_t bytes = 0;
  const auto count = [&](const void* what, uint64_t size_bytes) {
    if (counted.insert(what).second) bytes += size_bytes;
  };
  const auto count_all = [&](const std::shared_ptr<const Snapshot>& snapshot) {
    if (snapshot == nullptr) return;
    count(&snapshot->file(), snapshot->file().info().file_size);
    const model::FoldedCatalogue* const catalogue = snapshot->catalogue();
    if (catalogue == nullptr) return;
    count(catalogue, catalogue->bytes());
    count(&catalogue->file(), catalogue->file().info().file_size);
  };
  count_all(current_);
  count_all(previous_);
  count_all(canary_);
  for (const std::shared_ptr<const Snapshot>& snapshot : retired_) count_all(snapshot);
  return bytes;
}

uint64_t ModelSlot::huge_page_bytes() const {
  const std::lock_guard lock(mutex_);
  std::set<const void*> counted;
  uint64_t bytes = 0;
  for (const auto& snapshot : {current_, previous_, canary_}) {
    if (snapshot != nullptr && counted.insert(&snapshot->file()).second)
      bytes += snapshot->huge_page_bytes();
  }
  return bytes;
}

std::vector<std::shared_ptr<const Snapshot>> ModelSlot::TakeUnused() {
  std::vector<std::shared_ptr<const Snapshot>> unused;
  const std::lock_guard lock(mutex_);
  // Nobody can take a new reference to a retired snapshot, so a count of one stays one.
  const auto held_end = std::partition(
      retired_.begin(), retired_.end(),
      [](const std::shared_ptr<const Snapshot>& snapshot) { return snapshot.use_count() > 1; });
  std::move(held_end, retired_.end(), std::back_inserter(unused));
  retired_.erase(held_end, retired_.end());
  return unused;
}

bool ModelSlot::HasRetired() const {
  const std::lock_guard lock(mutex_);
  return !retired_.empty();
}

}  // namespace fmserve::loader
