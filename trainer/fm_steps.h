// Steps of AdaGrad (Duchi et al., 2011) on the parameters of a factorization machine, one
// implementation per instruction set.
#ifndef FMSERVE_TRAINER_FM_STEPS_H_
#define FMSERVE_TRAINER_FM_STEPS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "trainer/examples.h"
#include "trainer/fm_view.h"

namespace fmserve::trainer {

// One step for each of the examples order[begin] to order[end - 1], in this order; those behind
// `end` are asked for in advance. Returns the sum of their losses, each times the weight of the
// example and taken just before its step. Threads may run it on the same parameters: what one of
// them changes, another may overwrite (Hogwild; Recht et al., 2011).
using FmStepsFn = double (*)(const FmView& fm, const Examples& examples,
                             std::span<const uint32_t> order, size_t begin, size_t end);

struct FmSteps {
  std::string_view name;  // "baseline", "avx2"
  FmStepsFn run;
};

// Those that this processor runs, slowest first. On one thread all come to the same bits.
std::vector<FmSteps> SupportedFmSteps();

// Of fm_steps_avx2.cc; only where the processor has AVX2.
double RunAvx2Steps(const FmView& fm, const Examples& examples, std::span<const uint32_t> order,
                    size_t begin, size_t end);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_FM_STEPS_H_
