// The latest requests of a model, a sample of them, to try new versions on before they serve.
#ifndef FMSERVE_SERVER_REQUEST_RING_H_
#define FMSERVE_SERVER_REQUEST_RING_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace fmserve::server {

struct RequestRingOptions {
  uint32_t sample_one_in = 16;
  double max_per_second = 50.0;                  // of those, so that the ring spans some time
  size_t max_bytes = size_t{16} << 20;           // of all kept requests; older ones go
  size_t max_request_bytes = size_t{256} << 10;  // larger ones are left out
  size_t max_requests = 10'000;
};

// Holds requests as the bytes in which they came, which mean the same to every version of a model.
// Safe from any thread. A request that is not sampled costs one relaxed addition; none ever waits:
// one that comes while the ring is being read is dropped.
class RequestRing {
 public:
  using Clock = std::chrono::steady_clock;

  explicit RequestRing(const RequestRingOptions& options)
      : options_(options),
        interval_(std::chrono::duration_cast<Clock::duration>(
            std::chrono::duration<double>(1.0 / options.max_per_second))) {}

  // Whether the request that came at `now` and has so many bytes is one to Put.
  bool Samples(Clock::time_point now, size_t bytes);

  void Put(std::string request);

  // Oldest first. They are numbered from 1 in the order of Put; those up to `after` are left out.
  std::vector<std::shared_ptr<const std::string>> Requests(uint64_t after = 0) const;

  // How many Requests(after) has.
  size_t size(uint64_t after = 0) const;
  // The number of the latest one; 0: none was put.
  uint64_t last() const { return last_.load(std::memory_order_relaxed); }
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

  // Requests that were sampled, but too large, or came while the ring was being read.
  uint64_t dropped_count() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  const RequestRingOptions options_;
  const Clock::duration interval_;
  std::atomic<uint64_t> offered_{0};
  std::atomic<Clock::rep> next_sample_{0};  // time since the clock's epoch
  std::atomic<uint64_t> dropped_{0};
  std::atomic<size_t> size_{0};
  std::atomic<uint64_t> last_{0};
  std::atomic<size_t> bytes_{0};
  mutable std::mutex mutex_;  // guards requests_
  std::deque<std::shared_ptr<const std::string>> requests_;
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_REQUEST_RING_H_
