// The features that training found, numbered from 0: row r of the parameters belongs to feature r.
#ifndef FMSERVE_TRAINER_VOCABULARY_H_
#define FMSERVE_TRAINER_VOCABULARY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "model/feature_schema.h"

namespace fmserve::trainer {

inline constexpr uint32_t kNoRow = 0xffffffff;

struct Feature {
  uint64_t key = 0;
  uint8_t field = 0;
  uint64_t count = 0;      // training rows that have it
  std::string value;       // for people (value_text.h); may be empty
  bool is_old = false;     // of the model that training goes on from (warm_start.h): never rare
  bool is_unseen = false;  // is_old, and the new rows lack it
};

// Written by one thread; const methods are safe from any.
class Vocabulary {
 public:
  // Adds so many training rows that have the feature, and the feature if it is new. Returns its
  // row.
  uint32_t Add(uint64_t key, uint8_t field, uint64_t count);

  bool Contains(uint64_t key) const { return rows_.contains(key); }

  // Fetches what Add and Find of the key begin with.
  void Prefetch(uint64_t key) const { rows_.prefetch(key); }

  // Merges values (not "missing") that were counted in fewer rows than their field's min_count into
  // the rare feature of the field, and renumbers. Returns the new row of each old one. Once, after
  // counting.
  std::vector<uint32_t> Prune(const model::FeatureSchema& schema);

  // Row of the key; if it is unknown the row of the field's rare feature, or kNoRow if there is
  // none: what the scorer does too. Only after Prune.
  uint32_t Find(uint64_t key, uint8_t field) const;

  size_t size() const { return features_.size(); }
  std::vector<uint64_t> keys() const;   // by row
  std::vector<uint8_t> fields() const;  // by row
  const Feature& operator[](size_t row) const { return features_[row]; }
  Feature& operator[](size_t row) { return features_[row]; }

  // Values per field before Prune merged the rare ones. Only after Prune.
  const std::vector<uint64_t>& distinct_values() const { return distinct_values_; }

 private:
  std::vector<Feature> features_;
  absl::flat_hash_map<uint64_t, uint32_t> rows_;
  std::vector<uint32_t> rare_rows_;  // by field
  std::vector<uint64_t> distinct_values_;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_VOCABULARY_H_
