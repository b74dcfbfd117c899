// Epochs that several ranks run together.
#ifndef FMSERVE_TRAINER_RANK_EPOCHS_H_
#define FMSERVE_TRAINER_RANK_EPOCHS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/examples.h"
#include "trainer/learner.h"
#include "trainer/rank_average.h"
#include "trainer/ranks.h"

namespace fmserve::trainer {

// An epoch goes over each rank's own examples once, in as many parts everywhere, so that ranks with
// more examples have larger parts; behind each part the parameters are averaged (rank_average.h).
// With one rank an epoch is that of the learner, bit by bit. All calls are made by all ranks.
class RankEpochs {
 public:
  // `examples` are this rank's, `learner` has `features_count` features. All must outlive this.
  RankEpochs(Ranks& ranks, const Examples& examples, size_t features_count, Learner& learner);

  // Makes what the ranks start from equal. The largest part will have at most
  // `average_every_rows`, >= 1.
  absl::Status Start(uint64_t average_every_rows);

  // One epoch; the mean loss (Learner::RunEpoch) of the examples of all ranks.
  absl::StatusOr<double> Run(const Learner::Progress& progress);

 private:
  Ranks& ranks_;
  const Examples& examples_;
  Learner& learner_;
  RankAverage average_;
  uint64_t parts_ = 1;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_RANK_EPOCHS_H_
