// An even sample of the rows of a stream, of bounded size, without knowing how many there will be.
#ifndef FMSERVE_TRAINER_REPORT_THINNING_H_
#define FMSERVE_TRAINER_REPORT_THINNING_H_

#include <cstdint>

#include "model/dictionary.h"

namespace fmserve::trainer {

// Which rows are kept: all of them at first, and after each Halve() half of those that were kept,
// chosen by row number and seed. So whoever keeps columns drops the others' entries when there are
// too many, and what is left is as good as drawn from the whole stream. Copyable.
class Thinning {
 public:
  explicit Thinning(uint64_t seed) : seed_(seed) {}

  bool Keeps(uint64_t row) const {
    return (model::DictionaryHash::Mix(row ^ model::DictionaryHash::Mix(seed_)) & mask_) == 0;
  }
  void Halve() { mask_ = mask_ * 2 + 1; }
  bool keeps_all() const { return mask_ == 0; }

 private:
  uint64_t seed_;
  uint64_t mask_ = 0;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_REPORT_THINNING_H_
