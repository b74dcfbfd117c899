// Records on their way from the threads that answer requests to the one that writes them down.
#ifndef FMSERVE_SERVER_RECORD_RING_H_
#define FMSERVE_SERVER_RECORD_RING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace fmserve::server {

// A ring of bytes in which records stand whole, each at the beginning of a cache line. Any number
// of threads put records in, one takes them out. Nobody waits and nothing is allocated after
// construction: what does not fit is refused. A thread that is interrupted while it puts a record
// in holds up those behind it on their way out, and nothing else.
class RecordRing {
 public:
  // Rounded up to a multiple of 64; at least 4096.
  explicit RecordRing(size_t capacity_bytes);

  // Room for a record of so many bytes, for Commit; null when there is none now, or `bytes` is more
  // than max_record_bytes(). Safe from any thread.
  char* Reserve(size_t bytes);

  // The record that Reserve(bytes) gave room for is written. Safe from any thread.
  static void Commit(char* record, size_t bytes);

  // The oldest record, valid until Pop; nothing when there is none, or it is not committed yet. For
  // the one thread that takes out.
  std::optional<std::span<const char>> Front();
  void Pop();  // after a Front that had one

  size_t capacity_bytes() const { return capacity_; }
  // Half of the ring: a larger one might not fit into an empty ring, which has one place to wrap.
  size_t max_record_bytes() const { return capacity_ / 2 - kHeaderBytes; }
  // What is taken now, rounded up by records. Safe from any thread.
  size_t used_bytes() const {
    const uint64_t head = head_.load(std::memory_order_relaxed);
    return tail_.load(std::memory_order_relaxed) - head;
  }

 private:
  static constexpr size_t kLineBytes = 64;
  static constexpr size_t kHeaderBytes = 8;

  struct FreeLines {
    void operator()(char* lines) const;
  };

  static size_t LinesBytes(size_t record_bytes) {
    return (record_bytes + kHeaderBytes + kLineBytes - 1) / kLineBytes * kLineBytes;
  }
  // NOLINTNEXTLINE(readability-non-const-parameter): what it refers to is written
  static std::atomic_ref<uint64_t> HeaderAt(char* line) {
    return std::atomic_ref<uint64_t>(*reinterpret_cast<uint64_t*>(line));
  }

  const size_t capacity_;
  const std::unique_ptr<char, FreeLines> lines_;
  // Positions since the beginning; their places in lines_ are modulo capacity_.
  alignas(kLineBytes) std::atomic<uint64_t> tail_{0};
  alignas(kLineBytes) std::atomic<uint64_t> head_{0};
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_RECORD_RING_H_
