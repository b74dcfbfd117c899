// Bytes -> the validated items of a catalogue (CATALOGUE_FORMAT.md). It trusts nothing.
#ifndef FMSERVE_MODEL_CATALOGUE_FILE_H_
#define FMSERVE_MODEL_CATALOGUE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint.h"
#include "model/feature_list.h"
#include "model/feature_schema.h"
#include "model/golden.h"
#include "model/item_ids.h"
#include "model/mapped_file.h"

namespace fmserve::model {

// What the header says.
struct CatalogueInfo {
  uint16_t format_major = 0;
  uint16_t format_minor = 0;
  std::string model_name;
  uint64_t version = 0;  // 0: not published yet
  uint64_t created_unix_us = 0;
  uint64_t file_size = 0;
  uint64_t items_count = 0;
  uint64_t features_count = 0;  // of all items together
};

// A column to filter by. Each item has any number of its values.
struct Attribute {
  std::string_view name;
  std::vector<std::string_view> values;  // strictly ascending, byte by byte
  std::span<const uint32_t> ends;        // per item: where its entries end
  std::span<const uint32_t> entries;     // indices into `values`, ascending within an item

  // Indices into `values` of those that the item has. `item` < ends.size().
  std::span<const uint32_t> of(uint32_t item) const {
    const uint32_t begin = item == 0 ? 0 : ends[item - 1];
    return entries.subspan(begin, ends[item] - begin);
  }

  // Index of the value; nothing when no item ever had it.
  std::optional<uint32_t> Find(std::string_view value) const;
};

// Immutable; every view lives as long as the file. Safe from any thread. Items are numbered from 0
// in the order of their ids.
class CatalogueFile {
 public:
  // Validates everything before it returns: header, section table, sizes against counts, checksums,
  // schema, that ids strictly ascend, ends, keys, finite numbers, fields of the item side, texts.
  // DataLoss, InvalidArgument (not a catalogue) or Unimplemented (another major version, an unknown
  // required section), or what MappedFile::Open says; the message names the path, the section, the
  // offset and what is wrong. `checkpoint` is called every kCheckpointBytes or so; its errors are
  // returned.
  static absl::StatusOr<std::shared_ptr<const CatalogueFile>> Open(
      const std::string& path, Checkpoint checkpoint = NeverStop);

  // The same over bytes that the caller keeps alive and unchanged; `bytes` must be 64-byte aligned.
  static absl::StatusOr<std::shared_ptr<const CatalogueFile>> FromBytes(
      std::span<const std::byte> bytes);

  const CatalogueInfo& info() const { return info_; }
  uint32_t size() const { return static_cast<uint32_t>(info_.items_count); }
  const FeatureSchema& schema() const { return schema_; }
  const ItemIds& ids() const { return ids_; }

  // The features of the item. `item` < size().
  FeatureSpan features(uint32_t item) const {
    const uint64_t begin = item == 0 ? 0 : feature_ends_[item - 1];
    return features_.subspan(begin, feature_ends_[item] - begin);
  }

  // Asks memory for what features(item) reads, before it is called for many items all over the
  // file. GCC 12 drops calls of a function that only prefetches when it does not inline them.
  [[gnu::always_inline]] void PrefetchFeatures(uint32_t item) const {
    __builtin_prefetch(feature_ends_.data() + item - (item == 0 ? 0 : 1));
  }

  const std::vector<Attribute>& attributes() const { return attributes_; }

  // Per item, in the currency of the one who made the file; empty when there are none.
  std::span<const float> bids() const { return bids_; }
  const Metadata& metadata() const { return metadata_; }

  // MappedFile::ReleasePages; does nothing for FromBytes.
  absl::Status ReleasePages(Checkpoint checkpoint) const {
    return mapping_ ? mapping_->ReleasePages(checkpoint) : absl::OkStatus();
  }

  // What folding and rescoring read (ids apart): what to warm.
  std::vector<std::span<const std::byte>> serving_bytes() const;

 private:
  CatalogueFile() = default;
  friend class CatalogueParser;

  std::optional<MappedFile> mapping_;
  CatalogueInfo info_;
  FeatureSchema schema_;
  ItemIds ids_;
  std::span<const uint64_t> feature_ends_;
  FeatureSpan features_;
  std::vector<Attribute> attributes_;
  std::span<const float> bids_;
  Metadata metadata_;
  std::span<const std::byte> features_bytes_;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_CATALOGUE_FILE_H_
