// Scores candidates with a factorization machine (Rendle, "Factorization Machines", ICDM 2010):
//
//   score(x) = w0 + sum_i w_i x_i + sum_{i<j} R(f_i, f_j) <v_i, v_j> x_i x_j
//
// over the features of context and candidate together. R is 1 in a plain one and the field matrix
// (field_matrix.h) of the features' fields in a field-weighted one, which costs O(rank * k) per
// feature instead of O(k).
//
// Each element of a list is a feature of its own: one that stands twice interacts with itself, as
// in the formula. A feature without a row adds what the rare row of its field adds, or nothing if
// there is none, and is counted as unknown. An empty list is a list; without any feature the score
// is w0.
#ifndef FMSERVE_MODEL_SCORER_H_
#define FMSERVE_MODEL_SCORER_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "model/feature_list.h"
#include "model/field_factors.h"
#include "model/kernels/kernels.h"
#include "model/weight_file.h"

namespace fmserve::model {

// Memory of one request; owned by the caller, used by one thread at a time, reused without
// allocating once it has seen the largest request. Holds the sums of the last ScoreContext.
class Scratch {
 public:
  Scratch() = default;

  // Lookups without a row, per field, since ResetUnknown().
  std::span<const uint32_t> unknown_by_field() const { return unknown_by_field_; }
  void ResetUnknown();

  // Of the last ScoreContext: its sums as folded items meet them, of which PaddedK(folded_k) count,
  // and its own score.
  std::span<const float> context_sums() const { return sums_; }
  double context_score() const { return context_score_; }

 private:
  friend class Scorer;

  // Room for n slots, valid until the next call.
  std::span<uint32_t> Slots(size_t n);

  alignas(64) float sums_[kMaxK] = {};  // PaddedK(folded_k) of them, see kernels.h
  // The same of a field-weighted model as candidates meet them: PaddedK(k) per rank, without signs.
  alignas(64) float ranked_sums_[kMaxRankedSums] = {};
  double context_score_ = 0.0;  // w0 + linear part and interactions of the context
  std::vector<uint32_t> slots_;
  uint32_t unknown_by_field_[kMaxFields] = {};
};

// A catalogue item whose features were summed beforehand:
// score = context_score + bias + <vector, context sums>.
struct FoldedItem {
  std::vector<float> vector;  // PaddedK(WeightFile::folded_k()), see kernels.h
  double bias = 0.0;
};

// One feature's share of a score.
struct Explanation {
  struct Term {
    uint32_t feature = 0;  // index into context followed by candidate
    double linear = 0.0;   // w x
  };
  struct Pair {
    uint32_t first = 0;
    uint32_t second = 0;
    double interaction = 0.0;  // R(f_i, f_j) <v_i, v_j> x_i x_j
  };
  double w0 = 0.0;
  std::vector<Term> terms;
  std::vector<Pair> pairs;  // first < second
  std::vector<bool> known;  // per feature
  double score = 0.0;       // w0 + all linear + all interactions
};

// Immutable; safe from any thread, each with its own Scratch.
class Scorer {
 public:
  // `file` must outlive the scorer.
  Scorer(const WeightFile& file, const KernelTable& kernels);

  // Sums the context once per request and keeps the sums in `scratch`.
  void ScoreContext(FeatureSpan context, Scratch& scratch) const;

  // Scores candidates against the context in `scratch`. `features` holds the candidates' features
  // one after the other, lengths[c] of them for candidate c (sum of lengths == features.size());
  // scores.size() == lengths.size(). Scores do not depend on which candidates stand beside each
  // other. Any number of candidates per call is fine, and 16 to 200 measured alike.
  void ScoreCandidates(FeatureSpan features, std::span<const uint32_t> lengths, Scratch& scratch,
                       std::span<float> scores) const;

  // Sums an item's features once and for all; the context in `scratch` is not touched. Then
  // O(folded_k) per score.
  FoldedItem Fold(FeatureSpan item, Scratch& scratch) const;
  float ScoreFolded(const FoldedItem& item, const Scratch& scratch) const;

  // Fold for several items, which lie in `features` as candidates do for ScoreCandidates. The
  // vectors, PaddedK(folded_k) floats each, and biases are the same to the bit. vectors.size() ==
  // lengths.size() * PaddedK(folded_k), biases.size() == lengths.size().
  void FoldItems(FeatureSpan features, std::span<const uint32_t> lengths, Scratch& scratch,
                 std::span<float> vectors, std::span<double> biases) const;

  // In double precision, from the rows as they are stored: what each feature and each pair
  // contributes. The reference that kernels are tested against. O(n^2 k).
  Explanation Explain(FeatureSpan context, FeatureSpan candidate) const;

  // Calibration and link: the probability of a click (binary) or the predicted value (regression).
  double Predict(float score) const { return fmserve::model::Predict(file_->info(), score); }

 private:
  // Counts the unknown and puts the rare rows of their fields in their places.
  void ReplaceUnknown(std::span<const uint8_t> fields, std::span<uint32_t> slots,
                      Scratch& scratch) const;

  // Slots of the features, with the rare row for unknown values; counts the unknown. Valid until
  // the next call.
  std::span<const uint32_t> Resolve(FeatureSpan features, Scratch& scratch) const;

  // Adds features, which lie in the slots, to sums: what accumulate_ does, or of a field-weighted
  // model accumulate_fields_.
  double Accumulate(FeatureSpan features, const uint32_t* slots, const float* sums_in,
                    float* sums_out) const;

  const WeightFile* file_;
  FieldFactors field_factors_;  // empty in a plain factorization machine
  AccumulateFn accumulate_;
  AccumulateFieldsFn accumulate_fields_;
  DotFn dot_;
  std::array<uint32_t, kMaxFields> rare_slots_;  // per field, kNoSlot when there is none
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_SCORER_H_
