// What fm_steps.cc and fm_steps_avx2.cc compile, each for its instruction set.
#ifndef FMSERVE_TRAINER_FM_STEPS_LOOP_H_
#define FMSERVE_TRAINER_FM_STEPS_LOOP_H_

#include "trainer/fm_steps.h"
#include "trainer/step_loop.h"

namespace fmserve::trainer {
inline namespace FMSERVE_STEP_SET {

inline double RunFmSteps(const FmView& fm, const Examples& examples,
                         std::span<const uint32_t> order, size_t begin, size_t end) {
  switch (fm.blocks) {
    case 1:
      return RunSteps<1>(fm, fm, examples, order, begin, end);
    case 2:
      return RunSteps<2>(fm, fm, examples, order, begin, end);
    case 4:
      return RunSteps<4>(fm, fm, examples, order, begin, end);
    default:
      return RunSteps<kAny>(fm, fm, examples, order, begin, end);
  }
}

}  // namespace FMSERVE_STEP_SET
}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_FM_STEPS_LOOP_H_
