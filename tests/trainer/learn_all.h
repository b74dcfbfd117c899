#ifndef FMSERVE_TESTS_TRAINER_LEARN_ALL_H_
#define FMSERVE_TESTS_TRAINER_LEARN_ALL_H_

#include <cstdint>
#include <numeric>
#include <vector>

#include "trainer/examples.h"
#include "trainer/learner.h"

namespace fmserve::trainer {

// One step per example, in their order; the mean loss of them.
inline double LearnAll(const Examples& examples, Learner& learner) {
  std::vector<uint32_t> order(examples.size());
  std::iota(order.begin(), order.end(), 0U);
  return learner.Learn(examples, order, nullptr) /
         LabelTotals::Of(examples.labels, examples.weights).weights;
}

}  // namespace fmserve::trainer

#endif  // FMSERVE_TESTS_TRAINER_LEARN_ALL_H_
