// Examples as they lie in a cache of rows (row_cache.h).
//
// A block is, little-endian and without gaps: the number of examples, of entries and of those whose
// x is not 1 (uint64 each); 1 if the examples have weights, else 0 (uint64); the labels (float32
// each); the weights, if there are any (float32); the number of entries of each example (uint32);
// the rows of the entries (uint32); one bit per entry, set if its x is not 1, in bytes whose lowest
// bit comes first; these x (float32).
#ifndef FMSERVE_TRAINER_ROW_BLOCK_H_
#define FMSERVE_TRAINER_ROW_BLOCK_H_

#include <cstddef>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "trainer/examples.h"

namespace fmserve::trainer {

std::vector<std::byte> EncodeBlock(const Examples& examples);

// Sets `examples` to what the block holds, with new_rows[row] for each row; reuses its memory.
// DataLoss when it is no block, or has a row that is not below new_rows.size().
absl::Status DecodeBlock(std::span<const std::byte> block, std::span<const uint32_t> new_rows,
                         Examples& examples);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_ROW_BLOCK_H_
