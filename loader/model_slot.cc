#include "loader/model_slot.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace fmserve::loader {

std::shared_ptr<const Snapshot> ModelSlot::Get() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

std::shared_ptr<const Snapshot> ModelSlot::Previous() const {
  const std::lock_guard lock(mutex_);
  return previous_;
}

void ModelSlot::Publish(std::shared_ptr<const Snapshot> snapshot) {
  const std::lock_guard lock(mutex_);
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
  uint64_t bytes = 0;
  for (const auto& snapshot : retired_) bytes += snapshot->file().info().file_size;
  if (current_ != nullptr) bytes += current_->file().info().file_size;
  if (previous_ != nullptr) bytes += previous_->file().info().file_size;
  return bytes;
}

uint64_t ModelSlot::huge_page_bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t bytes = 0;
  if (current_ != nullptr) bytes += current_->huge_page_bytes();
  if (previous_ != nullptr) bytes += previous_->huge_page_bytes();
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
