// For each value of each attribute, the items that have it, by their place in the scan. Internal to
// model/.
#ifndef FMSERVE_MODEL_ATTRIBUTE_INDEX_H_
#define FMSERVE_MODEL_ATTRIBUTE_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "model/catalogue_file.h"
#include "model/checkpoint.h"

namespace fmserve::model {

// Words of a bitmap of items: whole groups of the scan.
size_t BitmapWords(uint32_t items_count);

// Built once; then immutable and safe from any thread. Values of more than one item in 32 have a
// bitmap, which is smaller than a list and faster; others a list of places.
class AttributeIndex {
 public:
  // order[place] is an item. Errors of `checkpoint`.
  absl::Status Build(const CatalogueFile& catalogue, std::span<const uint32_t> order,
                     Checkpoint checkpoint);

  // Sets the bits of the items that have the value. `bitmap` has BitmapWords.
  void Add(size_t attribute, uint32_t value, std::span<uint64_t> bitmap) const;

  size_t bytes() const;

 private:
  struct Column {
    std::vector<uint32_t> list_ends;  // per value: where its list ends; empty with a bitmap
    std::vector<uint32_t> lists;      // places, ascending within a list
    std::vector<uint32_t> bitmap_of;  // per value: its bitmap, or kNoBitmap
    std::vector<uint64_t> bitmaps;
  };
  static constexpr uint32_t kNoBitmap = 0xffffffff;

  absl::Status BuildColumn(const Attribute& attribute, std::span<const uint32_t> order,
                           Checkpoint checkpoint, Column& column) const;

  size_t words_ = 0;  // of one bitmap
  std::vector<Column> columns_;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_ATTRIBUTE_INDEX_H_
