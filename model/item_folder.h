// The items of a catalogue, summed with the weights: (vector, bias) of each. Internal to model/.
#ifndef FMSERVE_MODEL_ITEM_FOLDER_H_
#define FMSERVE_MODEL_ITEM_FOLDER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "model/catalogue_file.h"
#include "model/scorer.h"
#include "model/weight_file.h"

namespace fmserve::model {

// Whether the features of the catalogue mean the same to the weights: the weights' schema is
// CompatibleWith the catalogue's, and standardised fields of the item side have the same mean and
// deviation. FailedPrecondition names the first field that differs.
absl::Status CheckFits(const WeightFile& weights, const CatalogueFile& catalogue);

// Immutable; safe from any thread, each with its own Memory.
class ItemFolder {
 public:
  // Reused without allocating once it has seen the largest items.
  class Memory {
   public:
    // Of item i of the last Fold: PaddedK(WeightFile::folded_k()) floats.
    std::span<const float> vector(size_t i) const {
      return std::span(vectors_).subspan(i * padded_k_, padded_k_);
    }
    std::span<const float> vectors() const { return {vectors_.data(), count_ * padded_k_}; }
    std::span<const double> biases() const { return {biases_.data(), count_}; }

   private:
    friend class ItemFolder;
    Scratch scratch_;
    FeatureList features_;
    std::vector<uint32_t> lengths_;
    std::vector<float> vectors_;
    std::vector<double> biases_;
    size_t count_ = 0;
    size_t padded_k_ = 0;
  };

  // Fastest in batches of about this many.
  static constexpr size_t kBatchItems = 64;

  // The files pass CheckFits, and must outlive the folder.
  ItemFolder(const WeightFile& weights, const CatalogueFile& catalogue, const KernelTable& kernels);

  // The same items give the same bits, whatever stands beside them. Fields that the weights have
  // and the catalogue has not yet are missing.
  void Fold(std::span<const uint32_t> items, Memory& memory) const;

 private:
  const CatalogueFile* catalogue_;
  Scorer scorer_;
  size_t padded_k_;
  FeatureList missing_;  // of fields that the catalogue lacks
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_ITEM_FOLDER_H_
