// Steps on many examples, whose memory is asked for before they need it.
#ifndef FMSERVE_TRAINER_STEP_LOOP_H_
#define FMSERVE_TRAINER_STEP_LOOP_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "trainer/examples.h"
#include "trainer/fm_step.h"
#include "trainer/fm_view.h"

namespace fmserve::trainer {
inline namespace FMSERVE_STEP_SET {

[[gnu::always_inline]] inline void PrefetchBytes(const void* begin, size_t bytes) {
  const char* const line = static_cast<const char*>(begin);
  for (size_t offset = 0; offset < bytes; offset += 64) __builtin_prefetch(line + offset);
}

// Random order means a cache miss at every turn: where an example lies, its entries, their
// parameters. Each is asked for a few examples before it is needed.
//
// Inlined by force: g++ 12 takes a function that only prefetches for one without effect, and drops
// its calls.
[[gnu::always_inline]] inline void PrefetchBefore(size_t i, const FmView& fm,
                                                  const Examples& examples,
                                                  std::span<const uint32_t> order) {
  if (i + 24 < order.size()) __builtin_prefetch(&examples.ends[order[i + 24]]);
  if (i + 12 < order.size()) {
    const std::span<const Entry> entries = examples[order[i + 12]];
    PrefetchBytes(entries.data(), entries.size_bytes());
    __builtin_prefetch(&examples.labels[order[i + 12]]);
  }
  if (i + 2 < order.size()) {
    for (const Entry& entry : examples[order[i + 2]]) {
      __builtin_prefetch(&fm.linear[entry.row]);
      PrefetchBytes(&fm.factors[entry.row * fm.blocks], fm.blocks * sizeof(FactorBlock));
    }
  }
}

// One step for each of the examples order[begin] to order[end - 1]. Returns the sum of their
// losses. `view` is or has `fm`.
template <size_t kBlocks, typename View>
double RunSteps(const View& view, const FmView& fm, const Examples& examples,
                std::span<const uint32_t> order, size_t begin, size_t end) {
  double loss = 0.0;
  for (size_t i = begin; i < end; ++i) {
    PrefetchBefore(i, fm, examples, order);
    const uint32_t example = order[i];
    loss += StepOnExample<kBlocks>(view, examples[example], examples.labels[example],
                                   examples.weight(example));
  }
  return loss;
}

}  // namespace FMSERVE_STEP_SET
}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_STEP_LOOP_H_
