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

// Weights and the catalogue folded with them. Immutable once others see it; safe from any thread.
// Its memory is the mappings of the files, which other snapshots may share, the folded catalogue
// and a few KiB.
class Snapshot {
 public:
  // The catalogue is folded with these weights; null when the model has none.
  Snapshot(std::shared_ptr<const model::WeightFile> file, const model::KernelTable& kernels,
           std::shared_ptr<const model::FoldedCatalogue> catalogue = nullptr)
      : file_(std::move(file)), scorer_(*file_, kernels), catalogue_(std::move(catalogue)) {}

  // The weights of `other`, which are not opened again, with another catalogue or none (null). It
  // is folded with these weights.
  Snapshot(const Snapshot& other, std::shared_ptr<const model::FoldedCatalogue> catalogue)
      : file_(other.file_),
        scorer_(other.scorer_),
        catalogue_(std::move(catalogue)),
        huge_page_bytes_(other.huge_page_bytes_) {}

  const model::WeightFile& file() const { return *file_; }
  const std::shared_ptr<const model::WeightFile>& shared_file() const { return file_; }
  const model::Scorer& scorer() const { return scorer_; }
  const model::FeatureSchema& schema() const { return file_->schema(); }
  uint64_t version() const { return file_->info().version; }

  // Folded with these weights; null when the model has none.
  const model::FoldedCatalogue* catalogue() const { return catalogue_.get(); }
  const std::shared_ptr<const model::FoldedCatalogue>& shared_catalogue() const {
    return catalogue_;
  }
  uint64_t catalogue_version() const {  // 0: none
    return catalogue_ == nullptr ? 0 : catalogue_->file().info().version;
  }

  // How much of the weight file lies on 2 MB pages (MappedFile::HugePageBytes), for who has warmed
  // it to find out, at a low priority: asking the kernel takes milliseconds.
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
