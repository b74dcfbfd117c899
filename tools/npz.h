// NumPy's .npz: a zip archive of arrays in .npy format 1.0, stored without compression.
#ifndef FMSERVE_TOOLS_NPZ_H_
#define FMSERVE_TOOLS_NPZ_H_

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace fmserve::tools {

// One thread. numpy.load reads the file once Finish has returned OK.
class NpzWriter {
 public:
  explicit NpzWriter(const std::string& path);

  // Adds the array `name`. `dtype` is NumPy's ("<f4", "<u8", "|S12"), `shape` the lengths of its
  // dimensions (none: a single value), `bytes` its elements, row by row. An array and a file have
  // less than 4 GiB: InvalidArgument.
  absl::Status Add(std::string_view name, std::string_view dtype, std::span<const size_t> shape,
                   std::span<const std::byte> bytes);

  // Writes the directory of the archive. Unavailable names a file that cannot be written whole.
  absl::Status Finish();

 private:
  std::string path_;
  std::ofstream out_;
  uint64_t offset_ = 0;
  std::string directory_;
  uint16_t entries_ = 0;
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_NPZ_H_
