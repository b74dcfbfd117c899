// The inner loops, one implementation per instruction set, chosen once.
#ifndef FMSERVE_MODEL_KERNELS_KERNELS_H_
#define FMSERVE_MODEL_KERNELS_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/kernels/accumulate.h"
#include "model/kernels/item_rows.h"
#include "model/kernels/scan.h"
#include "model/types.h"

namespace fmserve::model {

// Floats of a vector of sums: k rounded up to whole AVX-512 registers; what lies beyond k is zero.
inline constexpr size_t PaddedK(uint32_t k) { return (size_t{k} + 15) / 16 * 16; }

// Function pointers for one instruction set (accumulate.h, item_rows.h and scan.h say what they
// compute). Const after start.
struct KernelTable {
  std::string_view name;  // "scalar", "avx2", "avx512", "avx512_vnni"

  // The fastest accumulate for these rows: specialised for k = 8, 16, 32, 64, general otherwise.
  AccumulateFn (*accumulate)(Quantization quantization, uint32_t k);
  AccumulateFieldsFn (*accumulate_fields)(Quantization quantization);
  DotFn dot;
  ScanFn scan;
  RefineFn refine;
  ScoreF32ItemsFn score_f32_items;
  ScoreInt8ItemsFn score_int8_items;
};

// Every implementation that this processor runs, slowest first; tests loop over it.
std::vector<const KernelTable*> SupportedKernels();

// The fastest supported, or the one that `forced` names ("" for none). InvalidArgument when it is
// unknown, FailedPrecondition when this processor lacks it; both list what there is.
absl::StatusOr<const KernelTable*> SelectKernels(std::string_view forced);

// SelectKernels(getenv("FMSERVE_KERNEL")), decided at the first call. Safe from any thread.
absl::StatusOr<const KernelTable*> DefaultKernels();

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_KERNELS_KERNELS_H_
