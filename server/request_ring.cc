#include "server/request_ring.h"

#include <algorithm>
#include <utility>

namespace fmserve::server {

bool RequestRing::Samples(Clock::time_point now, size_t bytes) {
  if (offered_.fetch_add(1, std::memory_order_relaxed) % options_.sample_one_in != 0) return false;
  Clock::rep next = next_sample_.load(std::memory_order_relaxed);
  const Clock::rep time = now.time_since_epoch().count();
  if (time < next || !next_sample_.compare_exchange_strong(next, time + interval_.count(),
                                                           std::memory_order_relaxed)) {
    return false;
  }
  if (bytes <= options_.max_request_bytes && bytes <= options_.max_bytes) return true;
  dropped_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

void RequestRing::Put(std::string request) {
  request.shrink_to_fit();
  auto kept = std::make_shared<const std::string>(std::move(request));
  std::vector<std::shared_ptr<const std::string>> gone;  // freed when the mutex is free again
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  size_t bytes = bytes_.load(std::memory_order_relaxed) + kept->size();
  requests_.push_back(std::move(kept));
  while (bytes > options_.max_bytes || requests_.size() > options_.max_requests) {
    bytes -= requests_.front()->size();
    gone.push_back(std::move(requests_.front()));
    requests_.pop_front();
  }
  bytes_.store(bytes, std::memory_order_relaxed);
  size_.store(requests_.size(), std::memory_order_relaxed);
  last_.fetch_add(1, std::memory_order_relaxed);
}

std::vector<std::shared_ptr<const std::string>> RequestRing::Requests(uint64_t after) const {
  const std::lock_guard lock(mutex_);
  return {requests_.end() - static_cast<ptrdiff_t>(size(after)), requests_.end()};
}

size_t RequestRing::size(uint64_t after) const {
  const uint64_t last = last_.load(std::memory_order_relaxed);
  const uint64_t put_since = last - std::min(last, after);
  return std::min<uint64_t>(put_since, size_.load(std::memory_order_relaxed));
}

}  // namespace fmserve::server
