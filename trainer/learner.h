// Stochastic gradient descent on a factorization machine, plain or field-weighted
// (model/field_matrix.h).
//
// One step per example with AdaGrad (Duchi, Hazan, Singer 2011), a step size of its own for every
// parameter:
//   g2 += g^2;   parameter -= learning_rate * g / sqrt(g2)
// Several threads take steps on the same parameters without locks (Hogwild; Niu et al. 2011): a
// lost update now and then costs less than a lock. One thread with one seed repeats itself bit by
// bit.
//
// Where the factors of a feature start depends on its key and the seed alone, not on the log:
// models that learn from different logs with one seed start from the same parameters, so that
// averaging them means something (average.h).
#ifndef FMSERVE_TRAINER_LEARNER_H_
#define FMSERVE_TRAINER_LEARNER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/types.h"
#include "trainer/examples.h"
#include "trainer/field_parameters.h"
#include "trainer/fm_steps.h"
#include "trainer/fm_view.h"
#include "trainer/parameters.h"

namespace fmserve::trainer {

// The defaults did well on public click and rating data; more data bears larger steps, fewer rows
// want more L2.
struct LearnerOptions {
  model::Task task = model::Task::kBinary;
  uint32_t k = 16;                               // 1 to model::kMaxK
  double learning_rate = 0.05;                   // > 0
  std::optional<double> linear_learning_rate{};  // of w0 and w; > 0; none: learning_rate
  double l2_linear = 1e-4;  // adds l2/2 w^2 to the loss of every example that has the feature; >= 0
  double l2_factors = 0.03;       // the same for v
  double init_stddev = 0.03;      // v starts as N(0, init_stddev); w starts at 0
  double init_accumulator = 0.1;  // g2 starts here; > 0: larger means smaller first steps
  double step_decay = 1.0;        // of the learning rate after each epoch; above 0 to 1
  // The share of the negatives that the examples were left with (dataset.h), above 0 to 1. Learning
  // takes the examples as they are; predictions and parameters are those for all negatives, by
  // ln(negatives) added to the score, which is exact (King and Zeng 2001, "prior correction").
  double negatives = 1.0;
  FieldOptions field{};
  uint32_t threads = 1;  // >= 1
  uint64_t seed = 1;
};

// What fixes the parameters at the start, in words: equal for two models whose features started
// equal.
std::string DescribeStart(const LearnerOptions& options);

// Used by one thread, which may start others inside Learn and Predict.
class Learner {
 public:
  // Parameters for features with these keys; row r is that of keys[r]. w0 starts at the constant
  // that fits the labels best, by the weights of the examples. `fields`, of every row, are those of
  // a field-weighted model.
  Learner(const LearnerOptions& options, std::span<const uint64_t> keys, const LabelTotals& totals,
          const RowFields& fields = {});

  // Where to begin instead (warm_start.h). `row` is that of a key; v.size() == options.k.
  void SetBias(double w0);
  void SetFeature(size_t row, float w, std::span<const float> v);
  void SetFieldMatrix(const model::FieldMatrix& matrix);  // of a field-weighted model, its rank

  // Called now and then from one thread with the number of examples done in this call.
  using Progress = std::function<void(size_t examples)>;

  // One step for each of the examples with the numbers in `order`, in this order. Returns the sum
  // of their losses, by their weights, each taken just before its step. Entries' rows must be below
  // the number of keys.
  double Learn(const Examples& examples, std::span<const uint32_t> order, const Progress& progress);

  // Behind all examples (LearnerOptions::step_decay).
  void EndEpoch();

  // Probabilities for a binary task, values for regression. predictions.size() == examples.size().
  void Predict(const Examples& examples, std::span<float> predictions);

  Parameters parameters() const;

  // What steps change, to be written to while no other call is under way: the parameters of
  // features, and those that every example has, w0 and the field matrix; beside each the sum of its
  // squared gradients.
  FmView View();
  std::vector<std::span<float>> CommonParameters();

  // All that epochs change: copied into a learner that was made from the same arguments, it goes on
  // from here. Views that live as long as this.
  std::vector<std::span<std::byte>> State();

 private:
  FieldWeightedView FieldView();

  LearnerOptions options_;
  size_t blocks_;  // per feature
  FmStepsFn steps_;
  LinearWeight w0_;
  std::vector<LinearWeight> linear_;
  std::vector<FactorBlock> factors_;
  std::optional<FieldParameters> field_;  // of a field-weighted model
  float decay_ = 1.0F;                    // of all learning rates, so far
  float prior_;                           // added to all scores
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_LEARNER_H_
