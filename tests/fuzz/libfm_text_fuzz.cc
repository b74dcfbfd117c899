// libFuzzer: models of libFM, as they may come from anywhere.
#include "tests/fuzz/import_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fmserve::trainer::FuzzReader(fmserve::trainer::ImportFormat::kLibfm, data, size);
}
