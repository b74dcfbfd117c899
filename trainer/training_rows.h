// The rows that a learner walks over: in memory, or in blocks of which one is.
#ifndef FMSERVE_TRAINER_TRAINING_ROWS_H_
#define FMSERVE_TRAINER_TRAINING_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "trainer/examples.h"
#include "trainer/row_cache.h"

namespace fmserve::trainer {

// Refers to what it is made of. Used by one thread.
class TrainingRows {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): examples are rows
  TrainingRows(const Examples& examples) : examples_(&examples) {
    totals_.Add(examples.labels, examples.weights);
  }
  explicit TrainingRows(RowCache& cache) : cache_(&cache), totals_(cache.totals()) {}

  uint64_t size() const { return cache_ ? cache_->size() : examples_->size(); }
  const LabelTotals& totals() const { return totals_; }

  // Blocks follow each other in the order of the rows.
  size_t blocks_count() const { return cache_ ? cache_->blocks_count() : 1; }
  uint64_t examples_of(size_t block) const { return cache_ ? cache_->examples_of(block) : size(); }

  // The examples of a block, until the call after the next one. `next` is the block that will be
  // asked for then, if any. Errors of RowCache::Load.
  absl::StatusOr<const Examples*> Load(size_t block, size_t next) const {
    return cache_ ? cache_->Load(block, next) : examples_;
  }

  // 32 hexadecimal digits, or the identity of a cache: other rows have others.
  std::string Fingerprint() const;

 private:
  const Examples* examples_ = nullptr;
  RowCache* cache_ = nullptr;
  LabelTotals totals_;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_TRAINING_ROWS_H_
