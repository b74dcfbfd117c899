// NDArray lists of MXNet 0.x and 1.x, as mx.nd.save writes them (src/ndarray/ndarray.cc).
//
//   u64 0x112, u64 0, u64 arrays_count, arrays, u64 names_count (arrays_count or 0),
//   per name: u64 length, bytes
//
//   array   u32 magic; V2 and V3: i32 storage (0 dense, 1 row-sparse, 2 CSR), if sparse the shape
//           of what is stored; shape; i32 device[2], i32 dtype; per index array of a sparse one:
//           i32 dtype, shape; data in C order; the index arrays
//   magic   V1 0xf993fac8, V2 …c9, V3 …ca; any other is V0: the number of dimensions itself
//   shape   i32 ndim, i64 dims[ndim]; V0: u32 dims[magic]
//   an array of no dimensions (V3: of unknown shape, ndim -1) is empty and ends behind its shape
#ifndef FMSERVE_TRAINER_IMPORT_NDARRAY_LIST_H_
#define FMSERVE_TRAINER_IMPORT_NDARRAY_LIST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer/import/numbers.h"

namespace fmserve::trainer {

struct NdArray {
  std::string name{};                // without "arg:" or "aux:"; empty if the list has no names
  std::vector<uint64_t> shape{};     // of the whole array
  std::optional<NumberType> type{};  // nothing: integers, CSR or empty; there is then no data
  std::string_view data{};           // C order; of a row-sparse array the rows that it has
  uint64_t data_offset = 0;          // in the bytes of the list
  bool row_sparse = false;           // and some rows are missing, which means that they are 0
  std::vector<uint64_t> row_ids{};   // of the rows that it has, ascending, below shape[0]
};

// Arrays are views of `bytes`. InvalidArgument names the byte: what ends early, counts and sizes
// that the bytes do not hold, unknown types, indices out of order or range, names that repeat.
absl::StatusOr<std::vector<NdArray>> ReadNdArrayList(std::string_view bytes);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_IMPORT_NDARRAY_LIST_H_
