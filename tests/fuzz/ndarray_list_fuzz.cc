// libFuzzer: NDArray lists of MXNet, which the reader of SageMaker takes alone, too, as they may
// come from anywhere.
#include "tests/fuzz/import_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fmserve::trainer::FuzzReader(fmserve::trainer::ImportFormat::kSageMaker, data, size);
}
