// Makes one set of parameters of those that several ranks have trained, each on its own rows.
//
// Every parameter, and the sum of its squared gradients beside it, moves by s times the sum of how
// far each rank has moved it since the last time, with s between 1 and a mean: 1 / (ranks that had
// its feature, weighted by how many of their examples did). A rare feature's steps add up, as they
// would have in one process; of a mean it would go only a fraction of the way in an epoch. Ranks
// that took many steps have each gone most of the way to where their rows want it, and a sum would
// go past that. What one rank alone had is taken as it is there; what nobody had is the same
// everywhere. For w0 and the field matrix, which all examples have, the same holds.
#ifndef FMSERVE_TRAINER_RANK_AVERAGE_H_
#define FMSERVE_TRAINER_RANK_AVERAGE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "trainer/examples.h"
#include "trainer/fm_view.h"
#include "trainer/ranks.h"

namespace fmserve::trainer {

class RankAverage {
 public:
  // Steps on a feature, of all ranks together, up to which they add up (docs/decisions/0072).
  static constexpr float kFewSteps = 100.0F;

  // Of `features_count` features, as many at all ranks. `ranks` must outlive this.
  RankAverage(Ranks& ranks, size_t features_count);

  // Takes a copy of the parameters, which are the same at all ranks: from here they move. `common`
  // are those that all examples have.
  void Begin(const FmView& features, std::span<const std::span<float>> common);

  // This rank has learned from the examples with these numbers since the last Average.
  void Count(const Examples& examples, std::span<const uint32_t> numbers);

  // All ranks together. What travels is the counts of all features, and the parameters of those
  // that somebody had: 8 bytes per feature and factor, in messages of at most 4 MiB.
  absl::Status Average(const FmView& features, std::span<const std::span<float>> common);

 private:
  absl::Status AverageCommon(std::span<const std::span<float>> common);
  absl::Status AverageRows(const FmView& features, std::span<const size_t> rows);

  Ranks& ranks_;
  std::vector<float> counts_;  // since the last time: of each feature; at the end of the examples
  std::vector<float> totals_;  // the same of all ranks
  std::vector<float> message_;
  // As they were the last time.
  std::vector<float> common_;
  std::vector<LinearWeight> linear_;
  std::vector<FactorBlock> factors_;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_RANK_AVERAGE_H_
