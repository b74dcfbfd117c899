// Epochs: passes over all rows in a random order, by one process or by several ranks together.
#ifndef FMSERVE_TRAINER_EPOCHS_H_
#define FMSERVE_TRAINER_EPOCHS_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/learner.h"
#include "trainer/rank_average.h"
#include "trainer/ranks.h"
#include "trainer/training_rows.h"

namespace fmserve::trainer {

// The blocks come in a random order, and so do the examples of each; both depend on the seed, the
// number of the epoch and that of the block alone.
//
// Of several ranks each goes over its own rows once, in as many parts everywhere, so that ranks
// with more of them have larger parts; behind each part the parameters are averaged
// (rank_average.h). All calls are made by all ranks.
class Epochs {
 public:
  // `rows` are this rank's, `learner` has `features_count` features. All must outlive this.
  Epochs(uint64_t seed, Ranks& ranks, const TrainingRows& rows, size_t features_count,
         Learner& learner);

  // Makes what the ranks start from equal. The largest part will have at most
  // `average_every_rows`, >= 1.
  absl::Status Start(uint64_t average_every_rows);

  // Called now and then from one thread with the number of examples done in this epoch.
  using Progress = Learner::Progress;

  // One epoch, by its number. Returns the mean loss of the examples of all ranks, by their weights,
  // each taken just before its step: logloss, or half the squared error for regression.
  absl::StatusOr<double> Run(uint32_t epoch, const Progress& progress);

 private:
  absl::Status RunBlock(const Examples& examples, std::mt19937_64 random, const Progress& progress);
  absl::Status EndPart();

  const uint64_t seed_;
  Ranks& ranks_;
  const TrainingRows& rows_;
  Learner& learner_;
  RankAverage average_;
  uint64_t parts_ = 1;
  std::vector<uint32_t> order_;
  // Of the epoch under way.
  uint64_t done_ = 0;  // examples
  uint64_t parts_done_ = 0;
  double loss_ = 0.0;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_EPOCHS_H_
