#include "model/row_check.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/weight_format.h"

namespace fmserve::model {
namespace {

uint64_t WordAt(const std::byte* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// Strides are multiples of 32 bytes and prefixes of 16, so rows and values are whole words.
bool AllWordsZero(std::span<const std::byte> words) {
  uint64_t any = 0;
  for (size_t i = 0; i < words.size(); i += sizeof(uint64_t)) any |= WordAt(&words[i]);
  return any == 0;
}

// From any byte to the end of a row.
bool PaddingIsZero(std::span<const std::byte> padding) {
  const size_t odd_bytes = padding.size() % sizeof(uint64_t);
  for (size_t i = 0; i < odd_bytes; ++i) {
    if (padding[i] != std::byte{0}) return false;
  }
  return AllWordsZero(padding.subspan(odd_bytes));
}

// Whether a floating-point number in `words` is infinite or NaN. `exponents` has a one in each
// exponent bit of each number, `ones` in the lowest: an exponent of all ones, and no other, carries
// into the sign bit.
bool AnyNotFinite(std::span<const std::byte> words, uint64_t exponents, uint64_t ones) {
  uint64_t carries = 0;
  for (size_t i = 0; i < words.size(); i += sizeof(uint64_t))
    carries |= (WordAt(&words[i]) & exponents) + ones;
  const uint64_t signs = (exponents + ones) & ~exponents;
  return (carries & signs) != 0;
}

// int8 values are -127 to 127: symmetric, so that a kernel may negate them.
bool AnyMinus128(std::span<const std::byte> words) {
  constexpr uint64_t kLowest = 0x0101010101010101;
  constexpr uint64_t kHighest = 0x8080808080808080;
  uint64_t found = 0;
  for (size_t i = 0; i < words.size(); i += sizeof(uint64_t)) {
    const uint64_t zero_if_minus_128 = WordAt(&words[i]) ^ kHighest;
    found |= (zero_if_minus_128 - kLowest) & ~zero_if_minus_128 & kHighest;
  }
  return found != 0;
}

// What is wrong with the values (and the padding, which is harmless here), or "".
const char* ValuesProblem(Quantization quantization, std::span<const std::byte> values) {
  switch (quantization) {
    case Quantization::kF32:
      return AnyNotFinite(values, 0x7f8000007f800000, 0x0080000000800000) ? "a value is not finite"
                                                                          : "";
    case Quantization::kF16:
      return AnyNotFinite(values, 0x7c007c007c007c00, 0x0400040004000400) ? "a value is not finite"
                                                                          : "";
    case Quantization::kInt8:
      return AnyMinus128(values) ? "a value is -128; the least is -127" : "";
  }
  return "";
}

bool IsScale(Quantization quantization, float scale) {
  if (quantization != Quantization::kInt8) return scale == 1.0F;
  return scale > 0.0F && std::isfinite(scale * 127.0F);
}

// What is wrong with a row that has a key, or "".
const char* RowProblem(const RowsView& rows, const std::byte* row) {
  format::RowPrefix prefix;
  std::memcpy(&prefix, row, sizeof(prefix));
  if (!std::isfinite(prefix.w)) return "w is not finite";
  if (!IsScale(rows.quantization, prefix.scale)) return "the scale is out of range";
  const size_t used_bytes = sizeof(prefix) + size_t{rows.k} * BytesPerValue(rows.quantization);
  if (!PaddingIsZero({row + used_bytes, rows.stride_bytes - used_bytes})) {
    return "the padding is not zero";
  }
  return ValuesProblem(rows.quantization,
                       {row + sizeof(prefix), rows.stride_bytes - sizeof(prefix)});
}

// Checks runs of rows; its memory is that of one run.
class RunChecker {
 public:
  RunChecker(const RowsView& rows, const Dictionary& dictionary)
      : rows_(rows), dictionary_(dictionary) {}

  // Looks at slots [begin, end). Returns the first that is wrong, with `problem` set, or `end`.
  uint64_t Check(uint64_t begin, uint64_t end, const char** problem) {
    keys_.resize(end - begin);
    found_.resize(end - begin);
    for (uint64_t slot = begin; slot < end; ++slot) keys_[slot - begin] = WordAt(rows_.row(slot));
    // All at once: one by one, a lookup costs more than everything else here.
    dictionary_.FindAll(keys_, found_);
    for (uint64_t slot = begin; slot < end; ++slot) {
      *problem = Problem(slot, keys_[slot - begin], found_[slot - begin]);
      if (**problem != '\0') return slot;
    }
    return end;
  }

  uint64_t rows_count() const { return rows_count_; }  // so far

 private:
  // What is wrong with the row in a slot that has `key`, whose lookup ends in `found`, or "".
  const char* Problem(uint64_t slot, uint64_t key, uint64_t found) {
    const std::byte* const row = rows_.row(slot);
    if (key == format::kEmptyKey) {
      return AllWordsZero({row, rows_.stride_bytes}) ? "" : "an empty slot is not zero";
    }
    ++rows_count_;
    return found == slot ? RowProblem(rows_, row) : "the lookup of its key ends elsewhere";
  }

  const RowsView& rows_;
  const Dictionary& dictionary_;
  std::vector<uint64_t> keys_;
  std::vector<uint32_t> found_;
  uint64_t rows_count_ = 0;
};

}  // namespace

absl::Status CheckRows(const Section& section, const RowsView& rows, const Dictionary& dictionary,
                       uint64_t rows_count, Checkpoint checkpoint) {
  const uint64_t run_slots = kCheckpointBytes / rows.stride_bytes;
  RunChecker checker(rows, dictionary);
  for (uint64_t begin = 0; begin < rows.slots_count; begin += run_slots) {
    if (absl::Status status = checkpoint(); !status.ok()) return status;
    const uint64_t end = std::min(begin + run_slots, rows.slots_count);
    const char* problem = "";
    const uint64_t wrong = checker.Check(begin, end, &problem);
    if (wrong == end) continue;
    return section.Damaged(wrong * rows.stride_bytes, absl::StrCat("slot ", wrong, ": ", problem));
  }
  if (checker.rows_count() != rows_count) {
    return section.Damaged(
        0, absl::StrCat(checker.rows_count(), " rows, the header says ", rows_count));
  }
  return absl::OkStatus();
}

}  // namespace fmserve::model
