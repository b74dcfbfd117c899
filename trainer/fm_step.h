// The inner loop of learning: one example's score and one AdaGrad step.
//
// Compiled once for every x86-64 and once for those with AVX2 (fm_steps.h). Both add in the same
// order, 8 lanes at a time, divide and take roots exactly, and never fuse a multiplication with an
// addition: they come to the same bits.
#ifndef FMSERVE_TRAINER_FM_STEP_H_
#define FMSERVE_TRAINER_FM_STEP_H_

#include <immintrin.h>

#include <cmath>
#include <cstddef>
#include <span>

#include "trainer/examples.h"
#include "trainer/fm_view.h"

// Threads race on the parameters by design (Hogwild).
#define FMSERVE_HOGWILD __attribute__((no_sanitize("thread")))

// What is compiled for one instruction set has names of its own, so that no other code is linked
// with it.
#ifdef __AVX2__
#define FMSERVE_STEP_SET avx2
#else
#define FMSERVE_STEP_SET baseline
#endif

namespace fmserve::trainer {
inline namespace FMSERVE_STEP_SET {

// A block's worth; handed over by reference, since without AVX there is no register for it.
using Vector = float __attribute__((vector_size(4 * kLanes), may_alias));

FMSERVE_HOGWILD inline const Vector& Load(const float* lanes) {
  return *reinterpret_cast<const Vector*>(lanes);
}
// NOLINTNEXTLINE(readability-non-const-parameter): what is returned is written to
FMSERVE_HOGWILD inline Vector& Load(float* lanes) { return *reinterpret_cast<Vector*>(lanes); }

inline float Sigmoid(float score) { return 1.0F / (1.0F + std::exp(-score)); }

// ln(1 + e^-margin) without overflow.
inline double LogisticLoss(double margin) {
  return margin > 0.0 ? std::log1p(std::exp(-margin)) : std::log1p(std::exp(margin)) - margin;
}

inline void TakeRoots(Vector& x) {
#ifdef __AVX2__
  x = reinterpret_cast<const Vector&>(static_cast<const __m256&>(_mm256_sqrt_ps(x)));
#else
  auto* const halves = reinterpret_cast<__m128*>(&x);
  halves[0] = _mm_sqrt_ps(halves[0]);
  halves[1] = _mm_sqrt_ps(halves[1]);
#endif
}

// One AdaGrad step on the factors of a block.
FMSERVE_HOGWILD inline void Update(const Vector& gradient, float learning_rate,
                                   FactorBlock& block) {
  Vector sum = Load(block.g2) + gradient * gradient;
  Load(block.g2) = sum;
  TakeRoots(sum);
  Load(block.v) -= learning_rate * gradient / sum;
}

FMSERVE_HOGWILD inline void Update(float gradient, float learning_rate, LinearWeight& weight) {
  weight.g2 += gradient * gradient;
  weight.w -= learning_rate * gradient / std::sqrt(weight.g2);
}

// The derivative of the loss of an example by its score.
inline float Residual(const FmView& fm, float score, float label) {
  return (fm.binary ? Sigmoid(score) : score) - label;
}

inline double Loss(const FmView& fm, float score, float label) {
  return fm.binary ? LogisticLoss(label > 0.5F ? score : -score)
                   : 0.5 * (score - label) * (score - label);
}

// The functions below are compiled for each usual number of blocks, whose sums then stay in
// registers, and for kAny.
inline constexpr size_t kAny = 0;

// What a score leaves for the step: sum_i v_i x_i.
template <size_t kBlocks>
struct FmSums {
  Vector sums[kBlocks == kAny ? kMaxBlocks : kBlocks];
};

template <size_t kBlocks>
FMSERVE_HOGWILD inline float ScoreExample(const FmView& fm, std::span<const Entry> entries,
                                          FmSums<kBlocks>& out) {
  const size_t blocks = kBlocks == kAny ? fm.blocks : kBlocks;
#pragma GCC unroll 4
  for (size_t b = 0; b < blocks; ++b) out.sums[b] = Vector{};
  Vector squares = {};
  float linear = fm.w0->w;
  for (const Entry& entry : entries) {
    linear += entry.x * fm.linear[entry.row].w;
    const FactorBlock* const row = &fm.factors[entry.row * blocks];
#pragma GCC unroll 4
    for (size_t b = 0; b < blocks; ++b) {
      const Vector term = entry.x * Load(row[b].v);
      out.sums[b] += term;
      squares += term * term;
    }
  }
  Vector pairs = -squares;
#pragma GCC unroll 4
  for (size_t b = 0; b < blocks; ++b) pairs += out.sums[b] * out.sums[b];
  const float sum = ((pairs[0] + pairs[4]) + (pairs[1] + pairs[5])) +
                    ((pairs[2] + pairs[6]) + (pairs[3] + pairs[7]));
  return linear + 0.5F * sum;
}

// Returns the loss before the step, times `weight`: how much the example counts.
template <size_t kBlocks>
FMSERVE_HOGWILD double StepOnExample(const FmView& fm, std::span<const Entry> entries, float label,
                                     float weight) {
  FmSums<kBlocks> of;
  const size_t blocks = kBlocks == kAny ? fm.blocks : kBlocks;
  const float score = ScoreExample<kBlocks>(fm, entries, of);
  const float error = weight * Residual(fm, score, label);

  const float l2_linear = weight * fm.l2_linear;
  const float l2_factors = weight * fm.l2_factors;
  Update(error, fm.linear_learning_rate, *fm.w0);
  for (const Entry& entry : entries) {
    const float slope = error * entry.x;
    LinearWeight& linear = fm.linear[entry.row];
    Update(slope + l2_linear * linear.w, fm.linear_learning_rate, linear);
    FactorBlock* const row = &fm.factors[entry.row * blocks];
#pragma GCC unroll 4
    for (size_t b = 0; b < blocks; ++b) {
      const Vector value = Load(row[b].v);
      Update(slope * (of.sums[b] - entry.x * value) + l2_factors * value, fm.learning_rate, row[b]);
    }
  }
  return weight * Loss(fm, score, label);
}

}  // namespace FMSERVE_STEP_SET
}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_FM_STEP_H_
