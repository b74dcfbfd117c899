// What one request sees from beginning to end.
#ifndef FMSERVE_LOADER_SNAPSHOT_H_
#define FMSERVE_LOADER_SNAPSHOT_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "model/folded_catalogue.h"
#include "model/scorer.h"
#include "model/weight_file.h"

namespace fmserve::loader {

// Immutable once others see it; safe from any thread. Its memory is the mapping of the weight file
// and a few KiB.
class Snapshot {
 public:
  Snapshot(std::shared_ptr<const model::WeightFile> file, const model::KernelTable& kernels,
           std::shared_ptr<const model::FoldedCatalogue> catalogue = nullptr)
      : file_(std::move(file)), scorer_(*file_, kernels), catalogue_(std::move(catalogue)) {}

  const model::WeightFile& file() const { return *file_; }
  const model::Scorer& scorer() const { return scorer_; }
  const model::FeatureSchema& schema() const { return file_->schema(); }
  // Folded with these weights; null when the model has no catalogue.
  const model::FoldedCatalogue* catalogue() const { return catalogue_.get(); }
  uint64_t version() const { return file_->info().version; }

  // How much of the file lies on 2 MB pages (MappedFile::HugePageBytes), for who has warmed it to
  // find out, at a low priority: asking the kernel takes milliseconds.
  uint64_t huge_page_bytes() const { return huge_page_bytes_; }
  void MeasureHugePages() { huge_page_bytes_ = file_->HugePageBytes(); }

 private:
  std::shared_ptr<const model::WeightFile> file_;
  model::Scorer scorer_;
  std::shared_ptr<const model::FoldedCatalogue> catalogue_;
  uint64_t huge_page_bytes_ = 0;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_SNAPSHOT_H_
