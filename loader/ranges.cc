#include "loader/ranges.h"

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "loader/pacer.h"
#include "loader/thread_priority.h"
#include "model/checkpoint.h"
#include "s3/client.h"

namespace fmserve::loader {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kCancelCheckInterval{20};

class RangeFetch {
 public:
  RangeFetch(uint64_t begin, uint64_t end, const RangeOptions& options, const GetRange& get,
             const std::function<bool()>& cancelled)
      : begin_(begin), end_(end), options_(options), get_(get), cancelled_(cancelled) {}

  absl::Status Run(const ByteSink& sink) {
    const uint64_t wanted = std::min<uint64_t>(static_cast<uint64_t>(options_.parallel), Count());
    std::vector<std::jthread> threads;
    for (uint64_t i = 0; i < wanted; ++i)
      threads.emplace_back([this, stop = stop_.get_token()] { Work(stop); });
    absl::Status status = Deliver(sink);
    {
      const std::lock_guard lock(mutex_);
      stop_.request_stop();
    }
    changed_.notify_all();
    return status;
  }

 private:
  struct Piece {
    absl::Status status{};
    std::vector<std::byte> bytes{};
  };

  uint64_t Count() const {
    return (end_ - begin_ + options_.range_bytes - 1) / options_.range_bytes;
  }

  // A thread that fetches one range after the other, not further ahead than there is memory for.
  void Work(const std::stop_token& stop) {
    LowerThreadPriority();
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] {
        return stop.stop_requested() || next_ >= Count() ||
               next_ < delivered_ + static_cast<uint64_t>(options_.parallel);
      });
      if (stop.stop_requested() || next_ >= Count()) return;
      const uint64_t index = next_++;
      lock.unlock();
      Piece piece = GetPatiently(index, stop);
      lock.lock();
      ready_[index] = std::move(piece);
      changed_.notify_all();
    }
  }

  Piece GetPatiently(uint64_t index, const std::stop_token& stop) {
    const uint64_t first = begin_ + index * options_.range_bytes;
    const uint64_t size = std::min(options_.range_bytes, end_ - first);
    Piece piece;
    piece.bytes.reserve(size);
    milliseconds delay = options_.first_delay;
    for (int attempt = 1;; ++attempt) {
      const size_t before = piece.bytes.size();
      piece.status = GetOnce(first, size, stop, piece.bytes);
      if (piece.bytes.size() == size && piece.status.ok()) return piece;
      if (piece.status.ok()) piece.status = absl::UnavailableError("a range of it came too short");
      if (piece.bytes.size() > before) {
        attempt = 1;
        delay = options_.first_delay;
      }
      const bool passing =
          absl::IsUnavailable(piece.status) || absl::IsDeadlineExceeded(piece.status);
      const milliseconds wished(
          absl::ToInt64Milliseconds(s3::RetryAfter(piece.status).value_or(absl::ZeroDuration())));
      if (!passing || attempt >= options_.attempts || wished > options_.max_delay) return piece;
      if (!Sleep(std::max(std::exchange(delay, std::min(2 * delay, options_.max_delay)), wished),
                 stop))
        return piece;
    }
  }

  // Appends what comes to `bytes`, which hold the beginning of the range.
  absl::Status GetOnce(uint64_t first, uint64_t size, const std::stop_token& stop,
                       std::vector<std::byte>& bytes) {
    Pacer pacer(stop);
    const uint64_t there = bytes.size();
    return get_(first + there, size - there, stop, [&](std::span<const std::byte> more) {
      if (more.size() > size - bytes.size())
        return absl::InternalError("the store sends more than the range that was asked for");
      bytes.insert(bytes.end(), more.begin(), more.end());
      return pacer.Step();
    });
  }

  // False when it is to stop.
  bool Sleep(milliseconds duration, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, duration, [&] { return stop.stop_requested(); });
  }

  absl::Status Deliver(const ByteSink& sink) {
    for (uint64_t index = 0; index < Count(); ++index) {
      const absl::StatusOr<Piece> piece = Take(index);
      if (!piece.ok()) return piece.status();
      if (!piece->status.ok()) return piece->status;
      for (std::span<const std::byte> left(piece->bytes); !left.empty();) {
        const size_t size = std::min(left.size(), model::kCheckpointBytes);
        if (absl::Status status = sink(left.first(size)); !status.ok()) return status;
        left = left.subspan(size);
      }
      const std::lock_guard lock(mutex_);
      ++delivered_;
      changed_.notify_all();
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Piece> Take(uint64_t index) {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kCancelCheckInterval, [&] { return ready_.contains(index); })) {
      if (cancelled_()) return absl::CancelledError("the source was cancelled");
    }
    return std::move(ready_.extract(index).mapped());
  }

  const uint64_t begin_;
  const uint64_t end_;
  const RangeOptions& options_;
  const GetRange& get_;
  const std::function<bool()>& cancelled_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t next_ = 0;       // range to begin
  uint64_t delivered_ = 0;  // ranges that the sink has had
  std::map<uint64_t, Piece> ready_;
};

}  // namespace

absl::Status FetchInRanges(uint64_t begin, uint64_t end, const RangeOptions& options,
                           const GetRange& get, const std::function<bool()>& cancelled,
                           const ByteSink& sink) {
  if (begin >= end) return absl::OkStatus();
  return RangeFetch(begin, end, options, get, cancelled).Run(sink);
}

}  // namespace fmserve::loader
