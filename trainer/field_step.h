// The inner loop of learning a field-weighted factorization machine (model/field_matrix.h): one
// example's score and one AdaGrad step on w0, w, v and the field matrix.
//
// With S_r = sum_i u_{f_i,r} x_i v_i and q_r = |S_r|^2 - sum_i (u_{f_i,r} x_i)^2 |v_i|^2,
//
//   score      = w0 + sum_i w_i x_i + 1/2 sum_r e_r q_r
//   d/d v_i    = x_i sum_r e_r u_{f_i,r} (S_r - u_{f_i,r} x_i v_i)
//   d/d u_{f,r} = e_r sum of x_i (<v_i, S_r> - u_{f,r} x_i |v_i|^2) over the features i of field f
//   d/d e_r    = 1/2 q_r
#ifndef FMSERVE_TRAINER_FIELD_STEP_H_
#define FMSERVE_TRAINER_FIELD_STEP_H_

#include <xmmintrin.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "model/field_matrix.h"
#include "model/types.h"
#include "trainer/examples.h"
#include "trainer/fm_step.h"
#include "trainer/fm_view.h"

namespace fmserve::trainer {

inline constexpr size_t kRankLanes = 4;  // ranks of a block
inline constexpr size_t kMaxRankBlocks = model::kMaxFieldRank / kRankLanes;

// 4 ranks of u of one field, or of e, and the sums of their squared gradients. What pads the rank
// to whole blocks is 0 in u and in e and stays so: its gradient is 0.
struct alignas(16) RankBlock {
  float value[kRankLanes];
  float g2[kRankLanes];
};

// Where the parameters lie, and the options of a step.
struct FieldWeightedView {
  FmView fm;
  float field_learning_rate;
  const uint8_t* fields;  // of each row
  size_t rank;
  size_t rank_blocks;
  RankBlock* u;  // rank_blocks per field
  RankBlock* e;  // rank_blocks
};

// Sums of all ranks, each of whole blocks of factors: rank * k <= kMaxK, and the padding of a rank
// is below kLanes.
inline constexpr size_t kMaxRankSums = (model::kMaxK + model::kMaxFieldRank * (kLanes - 1)) / 4 + 1;

// What a score leaves for the step.
struct FieldSums {
  __m128 sums[kMaxRankSums];            // S, one rank behind the other
  __m128 interactions[kMaxRankBlocks];  // q
};

// Vectors of 4 lanes of one feature, per rank.
template <size_t kBlocks>
constexpr size_t kVectors = 2 * (kBlocks == kAny ? kMaxBlocks : kBlocks);

// One AdaGrad step on four parameters.
FMSERVE_HOGWILD inline void Update(__m128 gradient, __m128 learning_rate, float* value, float* g2) {
  const __m128 sum = _mm_load_ps(g2) + gradient * gradient;
  _mm_store_ps(g2, sum);
  _mm_store_ps(value, _mm_load_ps(value) - learning_rate * gradient / _mm_sqrt_ps(sum));
}

inline float SumLanes(__m128 x) { return (x[0] + x[1]) + (x[2] + x[3]); }

template <size_t kBlocks>
FMSERVE_HOGWILD inline float ScoreExample(const FieldWeightedView& view,
                                          std::span<const Entry> entries, FieldSums& out) {
  const FmView& fm = view.fm;
  const size_t vectors = 2 * (kBlocks == kAny ? fm.blocks : kBlocks);
  for (size_t i = 0; i < view.rank * vectors; ++i) out.sums[i] = _mm_setzero_ps();
  for (size_t b = 0; b < view.rank_blocks; ++b) out.interactions[b] = _mm_setzero_ps();
  float linear = fm.w0->w;
  for (const Entry& entry : entries) {
    linear += entry.x * fm.linear[entry.row].w;
    const RankBlock* const u = view.u + view.fields[entry.row] * view.rank_blocks;
    const FactorBlock* const row = &fm.factors[entry.row * (vectors / 2)];
    const __m128 x = _mm_set1_ps(entry.x);
    __m128 squares = _mm_setzero_ps();
#pragma GCC unroll 8
    for (size_t i = 0; i < vectors; ++i) {
      const __m128 term = x * _mm_load_ps(row[i / 2].v + i % 2 * 4);
      squares += term * term;
      for (size_t r = 0; r < view.rank; ++r)
        out.sums[r * vectors + i] += _mm_set1_ps(u[r / kRankLanes].value[r % kRankLanes]) * term;
    }
    const __m128 square = _mm_set1_ps(SumLanes(squares));
    for (size_t b = 0; b < view.rank_blocks; ++b) {
      const __m128 factors = _mm_load_ps(u[b].value);
      out.interactions[b] -= factors * factors * square;
    }
  }
  __m128 score = _mm_setzero_ps();
  for (size_t r = 0; r < view.rank; ++r) {
    __m128 squares = _mm_setzero_ps();
    for (size_t i = 0; i < vectors; ++i)
      squares += out.sums[r * vectors + i] * out.sums[r * vectors + i];
    out.interactions[r / kRankLanes][r % kRankLanes] += SumLanes(squares);
  }
  for (size_t b = 0; b < view.rank_blocks; ++b)
    score += _mm_load_ps(view.e[b].value) * out.interactions[b];
  return linear + 0.5F * SumLanes(score);
}

// The u of one field, as the features of an example that are of this field see it: they lie behind
// each other, and u takes its step after all of them.
class FieldGradient {
 public:
  explicit FieldGradient(const FieldWeightedView& view) : view_(view) {}

  // Goes on to the features of `field`.
  FMSERVE_HOGWILD void Enter(uint8_t field) {
    if (u_ != nullptr && field == field_) return;
    Step();
    field_ = field;
    u_ = view_.u + field * view_.rank_blocks;
    self_ = 0.0F;
    for (size_t b = 0; b < view_.rank_blocks; ++b) {
      const __m128 factors = _mm_load_ps(u_[b].value);
      scaled_[b] = _mm_load_ps(view_.e[b].value) * factors;
      self_ += SumLanes(scaled_[b] * factors);
      gradients_[b] = _mm_setzero_ps();
    }
  }

  __m128 scaled(size_t r) const {  // e_r u_r in all lanes
    return _mm_set1_ps(scaled_[r / kRankLanes][r % kRankLanes]);
  }
  float self() const { return self_; }  // sum_r e_r u_r^2

  // A feature with `slope` = derivative of the loss by the score, times x; `products` =
  // <v, S_r> of four ranks; `square` = x |v|^2.
  FMSERVE_HOGWILD void Add(size_t b, float slope, __m128 products, float square) {
    gradients_[b] +=
        _mm_set1_ps(slope) * (products - _mm_load_ps(u_[b].value) * _mm_set1_ps(square));
  }

  FMSERVE_HOGWILD void Step() {
    if (u_ == nullptr) return;
    const __m128 rates = _mm_set1_ps(view_.field_learning_rate);
    for (size_t b = 0; b < view_.rank_blocks; ++b) {
      const __m128 gradient = _mm_load_ps(view_.e[b].value) * gradients_[b];
      Update(gradient, rates, u_[b].value, u_[b].g2);
    }
  }

 private:
  const FieldWeightedView& view_;
  RankBlock* u_ = nullptr;
  uint8_t field_ = 0;
  float self_ = 0.0F;
  __m128 scaled_[kMaxRankBlocks] = {};
  __m128 gradients_[kMaxRankBlocks] = {};
};

// One step on the factors of a feature, which `field` has been led to.
template <size_t kBlocks>
FMSERVE_HOGWILD inline void StepOnFactors(const FieldWeightedView& view, const FieldSums& sums,
                                          float x, float error, float weight, FieldGradient& field,
                                          FactorBlock* row) {
  const size_t vectors = 2 * (kBlocks == kAny ? view.fm.blocks : kBlocks);
  __m128 seen[kVectors<kBlocks>];  // sum_r e_r u_r S_r
  __m128 squares = _mm_setzero_ps();
#pragma GCC unroll 8
  for (size_t i = 0; i < vectors; ++i) {
    seen[i] = _mm_setzero_ps();
    const __m128 value = _mm_load_ps(row[i / 2].v + i % 2 * 4);
    squares += value * value;
  }
  const float square = x * SumLanes(squares);
  for (size_t b = 0; b < view.rank_blocks; ++b) {
    __m128 products[kRankLanes] = {};
    for (size_t r = b * kRankLanes; r < view.rank && r < (b + 1) * kRankLanes; ++r) {
      const __m128 scaled = field.scaled(r);
      __m128 product = _mm_setzero_ps();
#pragma GCC unroll 8
      for (size_t i = 0; i < vectors; ++i) {
        const __m128 sum = sums.sums[r * vectors + i];
        seen[i] += scaled * sum;
        product += _mm_load_ps(row[i / 2].v + i % 2 * 4) * sum;
      }
      products[r % kRankLanes] = product;
    }
    _MM_TRANSPOSE4_PS(products[0], products[1], products[2], products[3]);
    field.Add(b, error * x, (products[0] + products[1]) + (products[2] + products[3]), square);
  }
  const __m128 rates = _mm_set1_ps(view.fm.learning_rate);
  const __m128 slope = _mm_set1_ps(error * x);
  const __m128 self = _mm_set1_ps(field.self() * x);
  const __m128 l2 = _mm_set1_ps(weight * view.fm.l2_factors);
#pragma GCC unroll 8
  for (size_t i = 0; i < vectors; ++i) {
    float* const v = row[i / 2].v + i % 2 * 4;
    const __m128 value = _mm_load_ps(v);
    Update(slope * (seen[i] - self * value) + l2 * value, rates, v, row[i / 2].g2 + i % 2 * 4);
  }
}

// Returns the loss before the step, times `weight`: how much the example counts.
template <size_t kBlocks>
FMSERVE_HOGWILD double StepOnExample(const FieldWeightedView& view, std::span<const Entry> entries,
                                     float label, float weight) {
  const FmView& fm = view.fm;
  const size_t blocks = kBlocks == kAny ? fm.blocks : kBlocks;
  FieldSums sums;
  const float score = ScoreExample<kBlocks>(view, entries, sums);
  const float error = weight * Residual(fm, score, label);

  Update(error, fm.linear_learning_rate, *fm.w0);
  FieldGradient field(view);
  for (const Entry& entry : entries) {
    LinearWeight& linear = fm.linear[entry.row];
    Update(error * entry.x + weight * fm.l2_linear * linear.w, fm.linear_learning_rate, linear);
    field.Enter(view.fields[entry.row]);
    StepOnFactors<kBlocks>(view, sums, entry.x, error, weight, field,
                           &fm.factors[entry.row * blocks]);
  }
  field.Step();
  const __m128 half_error = _mm_set1_ps(0.5F * error);
  for (size_t b = 0; b < view.rank_blocks; ++b) {
    Update(half_error * sums.interactions[b], _mm_set1_ps(view.field_learning_rate),
           view.e[b].value, view.e[b].g2);
  }
  return weight * Loss(fm, score, label);
}

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_FIELD_STEP_H_
