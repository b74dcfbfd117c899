// Builds a catalogue and finalizes it atomically.
#ifndef FMSERVE_MODEL_CATALOGUE_WRITER_H_
#define FMSERVE_MODEL_CATALOGUE_WRITER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "model/catalogue_format.h"
#include "model/feature_list.h"
#include "model/feature_schema.h"
#include "model/golden.h"
#include "model/item_ids.h"

namespace fmserve::model {

class SectionWriter;

struct CatalogueOptions {
  std::string model_name;  // 1 to 63 bytes of [A-Za-z0-9_.-], no dot first
  uint64_t version = 0;
  uint64_t created_unix_us = 0;
  FeatureSchema schema;  // of the weights that the items' features are for
  IdType id_type = IdType::kInteger;
  std::vector<std::string> attributes;  // names, at most format::kMaxAttributes
  bool with_bids = false;
  Metadata metadata;
};

struct CatalogueItem {
  uint64_t id = 0;           // with integer ids
  std::string_view text_id;  // with string ids
  FeatureSpan features;      // as FeatureEncoder makes them of the item side
  // Per attribute of the options, in their order; a value that stands twice counts once.
  std::span<const std::vector<std::string_view>> values;
  float bid = 0.0F;  // with bids: finite, not negative
};

// One thread. Holds all items in memory.
class CatalogueWriter {
 public:
  explicit CatalogueWriter(CatalogueOptions options);

  // In any order. InvalidArgument, naming the item: an id that is empty, too long or not UTF-8,
  // more than format::kMaxItems or kMaxItemFeatures, a key of 0, an x or a bid that is not finite,
  // a field that is not of the item side, a wrong number of attributes, a value that is empty, too
  // long or not UTF-8. Nothing of the item is kept then. Duplicate ids show in Finish.
  absl::Status Add(const CatalogueItem& item);

  // Sorts the items by id, writes a temporary file beside `path`, fsyncs it, renames it to `path`
  // and fsyncs the directory. On any failure nothing is left behind and `path` is as it was. At
  // most once. InvalidArgument: options that a reader would refuse, duplicate ids.
  absl::Status Finish(const std::string& path);

 private:
  // A column to filter by, with its values numbered as they came.
  struct Column {
    absl::flat_hash_map<std::string, uint32_t> numbers;
    std::vector<uint32_t> ends;     // per item
    std::vector<uint32_t> entries;  // numbers, without repetition within an item
  };

  absl::Status CheckItem(const CatalogueItem& item) const;
  absl::Status CheckOptions() const;
  std::string_view text_id(uint32_t item) const;
  absl::StatusOr<std::vector<uint32_t>> ItemsById() const;
  format::CatalogueHeader MakeHeader() const;

  // Each writes one section, items in `order`.
  void WriteIds(std::span<const uint32_t> order, SectionWriter& out) const;
  void WriteFeatures(std::span<const uint32_t> order, SectionWriter& out) const;
  void WriteAttributes(std::span<const uint32_t> order, SectionWriter& out) const;

  CatalogueOptions options_;
  std::vector<uint64_t> ids_;  // integers, or ends of text_ids_
  std::string text_ids_;
  std::vector<uint64_t> feature_ends_;
  FeatureList features_;
  std::vector<Column> columns_;
  std::vector<float> bids_;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_CATALOGUE_WRITER_H_
