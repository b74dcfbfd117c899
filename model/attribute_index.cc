#include "model/attribute_index.h"

#include "model/kernels/kernels.h"

namespace fmserve::model {
namespace {

constexpr size_t kItemsAtOnce = kCheckpointBytes / 64;
constexpr uint32_t kBitsPerListEntry = 32;

void SetBit(uint64_t* bitmap, uint32_t place) { bitmap[place / 64] |= uint64_t{1} << (place % 64); }

}  // namespace

size_t BitmapWords(uint32_t items_count) {
  const size_t groups = (size_t{items_count} + kScanGroupItems - 1) / kScanGroupItems;
  return groups * (kScanGroupItems / 64);
}

absl::Status AttributeIndex::Build(const CatalogueFile& catalogue, std::span<const uint32_t> order,
                                   Checkpoint checkpoint) {
  words_ = BitmapWords(catalogue.size());
  columns_.resize(catalogue.attributes().size());
  for (size_t a = 0; a < columns_.size(); ++a) {
    absl::Status status = BuildColumn(catalogue.attributes()[a], order, checkpoint, columns_[a]);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status AttributeIndex::BuildColumn(const Attribute& attribute,
                                         std::span<const uint32_t> order, Checkpoint checkpoint,
                                         Column& column) const {
  std::vector<uint32_t> counts(attribute.values.size());
  for (size_t i = 0; i < attribute.entries.size(); ++i) {
    ++counts[attribute.entries[i]];
    if (i % kItemsAtOnce != 0) continue;
    if (absl::Status status = checkpoint(); !status.ok()) return status;
  }
  column.bitmap_of.assign(counts.size(), kNoBitmap);
  column.list_ends.resize(counts.size());
  uint32_t bitmaps_count = 0;
  uint32_t end = 0;
  for (size_t value = 0; value < counts.size(); ++value) {
    column.list_ends[value] = end;  // where its list begins, until it is filled
    if (uint64_t{counts[value]} * kBitsPerListEntry > order.size())
      column.bitmap_of[value] = bitmaps_count++;
    else
      end += counts[value];
  }
  column.lists.resize(end);
  column.bitmaps.resize(bitmaps_count * words_);
  for (uint32_t place = 0; place < order.size(); ++place) {
    if (place % kItemsAtOnce == 0) {
      if (absl::Status status = checkpoint(); !status.ok()) return status;
    }
    for (const uint32_t value : attribute.of(order[place])) {
      const uint32_t bitmap = column.bitmap_of[value];
      if (bitmap == kNoBitmap)
        column.lists[column.list_ends[value]++] = place;
      else
        SetBit(column.bitmaps.data() + bitmap * words_, place);
    }
  }
  return absl::OkStatus();
}

void AttributeIndex::Add(size_t attribute, uint32_t value, std::span<uint64_t> bitmap) const {
  const Column& column = columns_[attribute];
  if (column.bitmap_of[value] != kNoBitmap) {
    const uint64_t* const words = column.bitmaps.data() + column.bitmap_of[value] * words_;
    for (size_t i = 0; i < words_; ++i) bitmap[i] |= words[i];
    return;
  }
  const uint32_t begin = value == 0 ? 0 : column.list_ends[value - 1];
  for (uint32_t i = begin; i < column.list_ends[value]; ++i) SetBit(bitmap.data(), column.lists[i]);
}

size_t AttributeIndex::bytes() const {
  size_t bytes = 0;
  for (const Column& column : columns_) {
    bytes += (column.list_ends.size() + column.lists.size() + column.bitmap_of.size()) *
                 sizeof(uint32_t) +
             column.bitmaps.size() * sizeof(uint64_t);
  }
  return bytes;
}

}  // namespace fmserve::model
