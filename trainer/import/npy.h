// NumPy's .npy: one array (numpy/lib/format.py, versions 1 to 3).
//
//   "\x93NUMPY", u8 version, u8 0, u16 length (u32 from version 2 on), a Python dictionary of that
//   length with 'descr', 'fortran_order' and 'shape', the data
#ifndef FMSERVE_TRAINER_IMPORT_NPY_H_
#define FMSERVE_TRAINER_IMPORT_NPY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fmserve::trainer {

struct Npy {
  std::string descr{};  // "<f4", "|S12" …
  bool fortran_order = false;
  std::vector<uint64_t> shape{};
  std::string_view data{};
  uint64_t data_offset = 0;

  uint64_t count = 0;  // of elements
};

// A view of `bytes`. InvalidArgument names the byte. Types are "<f2", "<f4", "<f8", "|S<n>" and
// "<U<n>", and others whose data is a whole number of bytes per element; those cannot be read.
absl::StatusOr<Npy> ParseNpy(std::string_view bytes);

// In the order of C. InvalidArgument names the byte: another type, what is not a finite float.
absl::StatusOr<std::vector<float>> NpyFloats(const Npy& array);

// The only number of an array. InvalidArgument as above, and if there are more or none.
absl::StatusOr<double> NpyNumber(const Npy& array);

// Texts, as UTF-8, of an array of one dimension. InvalidArgument names the byte: another type,
// longer ones than model::kMaxValueBytes, characters that Unicode does not have.
absl::StatusOr<std::vector<std::string>> NpyTexts(const Npy& array);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_IMPORT_NPY_H_
