#include "trainer/fm_steps.h"
#include "trainer/fm_steps_loop.h"

namespace fmserve::trainer {

double RunAvx2Steps(const FmView& fm, const Examples& examples, std::span<const uint32_t> order,
                    size_t begin, size_t end) {
  return RunFmSteps(fm, examples, order, begin, end);
}

}  // namespace fmserve::trainer
