#include "trainer/row_block.h"

#include <bit>
#include <cstdint>
#include <cstring>

namespace fmserve::trainer {
namespace {

static_assert(std::endian::native == std::endian::little);

struct BlockHead {
  uint64_t examples;
  uint64_t entries;
  uint64_t others;  // entries whose x is not 1
  uint64_t has_weights;
};

template <typename T>
void Put(std::span<const T> values, std::byte*& to) {
  if (!values.empty()) std::memcpy(to, values.data(), values.size_bytes());
  to += values.size_bytes();
}

// Takes arrays off the front of a block whose size was checked.
class Arrays {
 public:
  explicit Arrays(const std::byte* from) : from_(from) {}

  const std::byte* Skip(size_t bytes) {
    const std::byte* const begin = from_;
    from_ += bytes;
    return begin;
  }

  template <typename T>
  void Take(size_t count, std::vector<T>& values) {
    values.resize(count);
    if (count > 0) std::memcpy(values.data(), Skip(count * sizeof(T)), count * sizeof(T));
  }

 private:
  const std::byte* from_;
};

template <typename T>
T Load(const std::byte* values, size_t i) {
  T value;
  std::memcpy(&value, values + i * sizeof(T), sizeof(T));
  return value;
}

size_t BlockBytes(const BlockHead& head) {
  return sizeof(head) + head.examples * (head.has_weights != 0 ? 12 : 8) + head.entries * 4 +
         (head.entries + 7) / 8 + head.others * 4;
}

absl::Status NoBlock() { return absl::DataLossError("not a block of rows"); }

}  // namespace

std::vector<std::byte> EncodeBlock(const Examples& examples) {
  BlockHead head = {.examples = examples.size(),
                    .entries = examples.entries.size(),
                    .others = 0,
                    .has_weights = examples.weights.empty() ? 0U : 1U};
  std::vector<uint32_t> counts;
  counts.reserve(examples.size());
  for (size_t i = 0; i < examples.size(); ++i)
    counts.push_back(static_cast<uint32_t>(examples[i].size()));
  std::vector<uint32_t> rows;
  rows.reserve(head.entries);
  std::vector<uint8_t> bits((head.entries + 7) / 8);
  std::vector<float> others;
  for (size_t i = 0; i < head.entries; ++i) {
    const Entry& entry = examples.entries[i];
    rows.push_back(entry.row);
    if (entry.x == 1.0F) continue;
    bits[i / 8] = static_cast<uint8_t>(bits[i / 8] | 1U << i % 8);
    others.push_back(entry.x);
  }
  head.others = others.size();
  std::vector<std::byte> block(BlockBytes(head));
  std::byte* to = block.data();
  Put<BlockHead>({&head, 1}, to);
  Put<float>(examples.labels, to);
  Put<float>(examples.weights, to);
  Put<uint32_t>(counts, to);
  Put<uint32_t>(rows, to);
  Put<uint8_t>(bits, to);
  Put<float>(others, to);
  return block;
}

absl::Status DecodeBlock(std::span<const std::byte> block, std::span<const uint32_t> new_rows,
                         Examples& examples) {
  BlockHead head;
  if (block.size() < sizeof(head)) return NoBlock();
  std::memcpy(&head, block.data(), sizeof(head));
  // Each is at least so long, so the sum below does not overflow.
  if (head.examples > block.size() || head.entries > block.size() || head.others > head.entries ||
      head.has_weights > 1 || BlockBytes(head) != block.size()) {
    return NoBlock();
  }
  Arrays arrays(block.data() + sizeof(head));
  arrays.Take(head.examples, examples.labels);
  arrays.Take(head.has_weights * head.examples, examples.weights);
  const std::byte* const counts = arrays.Skip(head.examples * 4);
  const std::byte* const rows = arrays.Skip(head.entries * 4);
  const std::byte* const bits = arrays.Skip((head.entries + 7) / 8);
  const std::byte* const others = arrays.Skip(head.others * 4);

  examples.ends.resize(head.examples);
  size_t end = 0;
  for (size_t i = 0; i < head.examples; ++i) {
    end += Load<uint32_t>(counts, i);
    if (end > head.entries) return NoBlock();
    examples.ends[i] = end;
  }
  if (end != head.entries) return NoBlock();
  examples.entries.resize(head.entries);
  size_t other = 0;
  for (size_t i = 0; i < head.entries; ++i) {
    const auto row = Load<uint32_t>(rows, i);
    if (row >= new_rows.size()) return NoBlock();
    const bool is_other = (std::to_integer<unsigned>(bits[i / 8]) >> i % 8 & 1U) != 0;
    if (is_other && other == head.others) return NoBlock();
    examples.entries[i] = {new_rows[row], is_other ? Load<float>(others, other) : 1.0F};
    other += is_other;
  }
  return other == head.others ? absl::OkStatus() : NoBlock();
}

}  // namespace fmserve::trainer
