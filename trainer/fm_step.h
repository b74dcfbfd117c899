// The inner loop of learning: one example's score and one AdaGrad step.
//
// SSE is part of every x86-64: at this width the loop already keeps up with memory, and sums are
// taken in the same order on every machine.
#ifndef FMSERVE_TRAINER_FM_STEP_H_
#define FMSERVE_TRAINER_FM_STEP_H_

#include <xmmintrin.h>

#include <cmath>
#include <cstddef>
#include <span>

#include "model/types.h"
#include "trainer/examples.h"

// Threads race on the parameters by design (Hogwild).
#define FMSERVE_HOGWILD __attribute__((no_sanitize("thread")))

namespace fmserve::trainer {

inline constexpr size_t kLanes = 8;  // factors of a block

// 8 factors of one feature and, beside them, the sums of their squared gradients: one cache line.
struct alignas(64) FactorBlock {
  float v[kLanes];
  float g2[kLanes];
};

struct LinearWeight {
  float w;
  float g2;
};

inline float Sigmoid(float score) { return 1.0F / (1.0F + std::exp(-score)); }

// ln(1 + e^-margin) without overflow.
inline double LogisticLoss(double margin) {
  return margin > 0.0 ? std::log1p(std::exp(-margin)) : std::log1p(std::exp(margin)) - margin;
}

// One AdaGrad step on four parameters.
FMSERVE_HOGWILD inline void Update(__m128 gradient, __m128 learning_rate, float* value, float* g2) {
  const __m128 sum = _mm_load_ps(g2) + gradient * gradient;
  _mm_store_ps(g2, sum);
  _mm_store_ps(value, _mm_load_ps(value) - learning_rate * gradient / _mm_sqrt_ps(sum));
}

FMSERVE_HOGWILD inline void Update(float gradient, float learning_rate, LinearWeight& weight) {
  weight.g2 += gradient * gradient;
  weight.w -= learning_rate * gradient / std::sqrt(weight.g2);
}

// Where the parameters lie, and the options of a step.
struct FmView {
  bool binary;
  float learning_rate;
  float linear_learning_rate;
  float l2_linear;
  float l2_factors;
  size_t blocks;  // per feature
  LinearWeight* w0;
  LinearWeight* linear;
  FactorBlock* factors;
};

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
inline constexpr size_t kMaxBlocks = (model::kMaxK + kLanes - 1) / kLanes;

template <size_t kBlocks>
constexpr size_t kSums = 2 * (kBlocks == kAny ? kMaxBlocks : kBlocks);

// Leaves sum_i v_i x_i in `sums`.
template <size_t kBlocks>
FMSERVE_HOGWILD inline float ScoreExample(const FmView& fm, std::span<const Entry> entries,
                                          __m128 (&sums)[kSums<kBlocks>]) {
  const size_t blocks = kBlocks == kAny ? fm.blocks : kBlocks;
#pragma GCC unroll 8
  for (size_t i = 0; i < 2 * blocks; ++i) sums[i] = _mm_setzero_ps();
  __m128 squares = _mm_setzero_ps();
  float linear = fm.w0->w;
  for (const Entry& entry : entries) {
    linear += entry.x * fm.linear[entry.row].w;
    const __m128 x = _mm_set1_ps(entry.x);
    const FactorBlock* row = &fm.factors[entry.row * blocks];
#pragma GCC unroll 8
    for (size_t i = 0; i < 2 * blocks; ++i) {
      const __m128 term = x * _mm_load_ps(row[i / 2].v + i % 2 * 4);
      sums[i] += term;
      squares += term * term;
    }
  }
  __m128 pairs = -squares;
#pragma GCC unroll 8
  for (size_t i = 0; i < 2 * blocks; ++i) pairs += sums[i] * sums[i];
  return linear + 0.5F * (pairs[0] + pairs[1] + pairs[2] + pairs[3]);
}

// Returns the loss before the step, times `weight`: how much the example counts.
template <size_t kBlocks>
FMSERVE_HOGWILD double StepOnExample(const FmView& fm, std::span<const Entry> entries, float label,
                                     float weight) {
  __m128 sums[kSums<kBlocks>];
  const size_t blocks = kBlocks == kAny ? fm.blocks : kBlocks;
  const float score = ScoreExample<kBlocks>(fm, entries, sums);
  const float error = weight * Residual(fm, score, label);

  const __m128 rates = _mm_set1_ps(fm.learning_rate);
  const float l2_linear = weight * fm.l2_linear;
  const __m128 l2_factors = _mm_set1_ps(weight * fm.l2_factors);
  Update(error, fm.linear_learning_rate, *fm.w0);
  for (const Entry& entry : entries) {
    LinearWeight& linear = fm.linear[entry.row];
    Update(error * entry.x + l2_linear * linear.w, fm.linear_learning_rate, linear);
    const __m128 x = _mm_set1_ps(entry.x);
    const __m128 slope = _mm_set1_ps(error * entry.x);
    FactorBlock* row = &fm.factors[entry.row * blocks];
#pragma GCC unroll 8
    for (size_t i = 0; i < 2 * blocks; ++i) {
      float* v = row[i / 2].v + i % 2 * 4;
      const __m128 value = _mm_load_ps(v);
      const __m128 gradient = slope * (sums[i] - x * value) + l2_factors * value;
      Update(gradient, rates, v, row[i / 2].g2 + i % 2 * 4);
    }
  }
  return weight * Loss(fm, score, label);
}

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_FM_STEP_H_
