// Labelled examples in memory, as the learner walks over them.
#ifndef FMSERVE_TRAINER_EXAMPLES_H_
#define FMSERVE_TRAINER_EXAMPLES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fmserve::trainer {

// A feature of an example: the row of its parameters (vocabulary.h) and its weight x.
struct Entry {
  uint32_t row;
  float x;
};

// Examples one after the other (compressed sparse rows).
struct Examples {
  std::vector<float> labels;   // 0 or 1 for a binary task, any finite number for regression
  std::vector<float> weights;  // how much each counts, 0 or more; empty: all alike
  std::vector<size_t> ends;    // one past the last entry of each example
  std::vector<Entry> entries;

  size_t size() const { return labels.size(); }
  float weight(size_t example) const { return weights.empty() ? 1.0F : weights[example]; }
  std::span<const Entry> operator[](size_t example) const {
    const size_t begin = example == 0 ? 0 : ends[example - 1];
    return {entries.data() + begin, ends[example] - begin};
  }
};

// What a learner has to know of all examples before it begins.
struct LabelTotals {
  double weights = 0.0;  // their sum; of examples without weights their number
  double labels = 0.0;   // sum of weight * label

  // `weights` may be empty.
  void Add(std::span<const float> some_labels, std::span<const float> some_weights) {
    for (size_t i = 0; i < some_labels.size(); ++i) {
      const double weight = some_weights.empty() ? 1.0 : some_weights[i];
      weights += weight;
      labels += weight * some_labels[i];
    }
  }
  static LabelTotals Of(std::span<const float> some_labels,
                        std::span<const float> some_weights = {}) {
    LabelTotals totals;
    totals.Add(some_labels, some_weights);
    return totals;
  }
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_EXAMPLES_H_
