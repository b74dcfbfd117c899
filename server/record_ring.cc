#include "server/record_ring.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace fmserve::server {
namespace {

// A header is 0 while its record is being written, then its bytes with a mark of what stands there.
constexpr uint64_t kRecord = uint64_t{1} << 62;
constexpr uint64_t kGap = uint64_t{1} << 63;  // up to the end of the ring
constexpr uint64_t kBytesMask = kRecord - 1;

}  // namespace

void RecordRing::FreeLines::operator()(char* lines) const {
  operator delete (lines, std::align_val_t{kLineBytes});
}

RecordRing::RecordRing(size_t capacity_bytes)
    : capacity_(
          std::max<size_t>((capacity_bytes + kLineBytes - 1) / kLineBytes * kLineBytes, 4096)),
      lines_(static_cast<char*>(operator new (capacity_, std::align_val_t{kLineBytes}))) {
  std::memset(lines_.get(), 0, capacity_);
}

char* RecordRing::Reserve(size_t bytes) {
  if (bytes > max_record_bytes()) return nullptr;
  const size_t wanted = LinesBytes(bytes);
  uint64_t tail = tail_.load(std::memory_order_relaxed);
  for (;;) {
    const size_t place = tail % capacity_;
    const size_t gap = place + wanted > capacity_ ? capacity_ - place : 0;
    // Behind the head the headers are 0 again.
    const uint64_t head = head_.load(std::memory_order_acquire);
    if (tail < head) {  // read before others put in and took out
      tail = tail_.load(std::memory_order_relaxed);
      continue;
    }
    if (tail + gap + wanted - head > capacity_) return nullptr;
    if (!tail_.compare_exchange_weak(tail, tail + gap + wanted, std::memory_order_relaxed))
      continue;
    if (gap == 0) return lines_.get() + place + kHeaderBytes;
    HeaderAt(lines_.get() + place).store(kGap | gap, std::memory_order_release);
    return lines_.get() + kHeaderBytes;
  }
}

void RecordRing::Commit(char* record, size_t bytes) {
  HeaderAt(record - kHeaderBytes).store(kRecord | bytes, std::memory_order_release);
}

std::optional<std::span<const char>> RecordRing::Front() {
  for (;;) {
    const uint64_t head = head_.load(std::memory_order_relaxed);
    char* const line = lines_.get() + head % capacity_;
    const uint64_t header = HeaderAt(line).load(std::memory_order_acquire);
    if (header == 0) return std::nullopt;
    if ((header & kGap) == 0)
      return std::span<const char>(line + kHeaderBytes, header & kBytesMask);
    HeaderAt(line).store(0, std::memory_order_relaxed);
    head_.store(head + (header & kBytesMask), std::memory_order_release);
  }
}

// Any line of the record may be where a later record begins.
void RecordRing::Pop() {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  char* const begin = lines_.get() + head % capacity_;
  const uint64_t header = HeaderAt(begin).load(std::memory_order_relaxed);
  const size_t bytes = LinesBytes(header & kBytesMask);
  for (char* line = begin; line < begin + bytes; line += kLineBytes)
    HeaderAt(line).store(0, std::memory_order_relaxed);
  head_.store(head + bytes, std::memory_order_release);
}

}  // namespace fmserve::server
