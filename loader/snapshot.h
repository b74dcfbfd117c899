// What one request sees from beginning to end.
#ifndef FMSERVE_LOADER_SNAPSHOT_H_
#define FMSERVE_LOADER_SNAPSHOT_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "model/scorer.h"
#include "model/weight_file.h"

namespace fmserve::loader {

// Immutable; safe from any thread. Its memory is the mapping of the weight file and a few KiB.
class Snapshot {
 public:
  Snapshot(std::shared_ptr<const model::WeightFile> file, const model::KernelTable& kernels)
      : file_(std::move(file)), scorer_(*file_, kernels) {}

  const model::WeightFile& file() const { return *file_; }
  const model::Scorer& scorer() const { return scorer_; }
  const model::FeatureSchema& schema() const { return file_->schema(); }
  uint64_t version() const { return file_->info().version; }

 private:
  std::shared_ptr<const model::WeightFile> file_;
  model::Scorer scorer_;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_SNAPSHOT_H_
