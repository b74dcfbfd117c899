#include "trainer/fm_steps.h"

#include "trainer/fm_steps_loop.h"

namespace fmserve::trainer {

std::vector<FmSteps> SupportedFmSteps() {
  std::vector<FmSteps> steps = {{.name = "baseline", .run = RunFmSteps}};
  if (__builtin_cpu_supports("avx2")) steps.push_back({.name = "avx2", .run = RunAvx2Steps});
  return steps;
}

}  // namespace fmserve::trainer
