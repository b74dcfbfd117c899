#include "model/row_check.h"

#include <cmath>
#include <cstddef>
#include <cstring>
#include <span>

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
bool AllZero(std::span<const std::byte> words) {
  uint64_t any = 0;
  for (size_t i = 0; i < words.size(); i += sizeof(uint64_t)) any |= WordAt(&words[i]);
  return any == 0;
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
  for (size_t i = used_bytes; i < rows.stride_bytes; ++i) {
    if (row[i] != std::byte{0}) return "the padding is not zero";
  }
  return ValuesProblem(rows.quantization,
                       {row + sizeof(prefix), rows.stride_bytes - sizeof(prefix)});
}

}  // namespace

absl::Status CheckRows(const Section& section, const RowsView& rows, const Dictionary& dictionary,
                       uint64_t rows_count, Checkpoint checkpoint) {
  const uint64_t slots_per_checkpoint = kCheckpointBytes / rows.stride_bytes;
  uint64_t found_count = 0;
  for (uint64_t slot = 0; slot < rows.slots_count; ++slot) {
    if (slot % slots_per_checkpoint == 0) {
      if (absl::Status status = checkpoint(); !status.ok()) return status;
    }
    const std::byte* const row = rows.row(slot);
    const uint64_t key = WordAt(row);
    const char* problem = "";
    if (key != format::kEmptyKey) {
      ++found_count;
      problem = dictionary.Candidate(key) == slot ? RowProblem(rows, row)
                                                  : "the lookup of its key ends elsewhere";
    } else if (!AllZero({row, rows.stride_bytes})) {
      problem = "an empty slot is not zero";
    }
    if (*problem != '\0') {
      return section.Damaged(slot * rows.stride_bytes, absl::StrCat("slot ", slot, ": ", problem));
    }
  }
  if (found_count != rows_count) {
    return section.Damaged(0, absl::StrCat(found_count, " rows, the header says ", rows_count));
  }
  return absl::OkStatus();
}

}  // namespace fmserve::model
