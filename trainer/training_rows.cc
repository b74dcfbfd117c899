#include "trainer/training_rows.h"

#include "trainer/checkpoint.h"

namespace fmserve::trainer {

std::string TrainingRows::Fingerprint() const {
  return cache_ ? cache_->identity() : trainer::Fingerprint(*examples_);
}

}  // namespace fmserve::trainer
