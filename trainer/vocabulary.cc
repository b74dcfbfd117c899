#include "trainer/vocabulary.h"

#include <utility>

namespace fmserve::trainer {
namespace {

bool IsRare(const model::FeatureSchema& schema, const Feature& feature) {
  return feature.count < schema.field(feature.field).min_count &&
         feature.key != schema.missing_key(feature.field);
}

}  // namespace

uint32_t Vocabulary::Add(uint64_t key, uint8_t field, uint64_t count) {
  const auto [it, is_new] = rows_.try_emplace(key, static_cast<uint32_t>(features_.size()));
  if (is_new) {
    features_.push_back({.key = key, .field = field, .count = count, .value = {}});
  } else {
    features_[it->second].count += count;
  }
  return it->second;
}

std::vector<uint32_t> Vocabulary::Prune(const model::FeatureSchema& schema) {
  std::vector<Feature> all = std::exchange(features_, {});
  rare_rows_.assign(schema.size(), kNoRow);
  distinct_values_.assign(schema.size(), 0);
  std::vector<uint32_t> new_rows(all.size());
  for (size_t old_row = 0; old_row < all.size(); ++old_row) {
    Feature& feature = all[old_row];
    const uint8_t field = feature.field;
    distinct_values_[field] += feature.key != schema.missing_key(field);
    const auto next_row = static_cast<uint32_t>(features_.size());
    if (!IsRare(schema, feature)) {
      new_rows[old_row] = next_row;
      features_.push_back(std::move(feature));
    } else {
      if (rare_rows_[field] == kNoRow) {
        rare_rows_[field] = next_row;
        features_.push_back(
            {.key = schema.rare_key(field), .field = field, .count = 0, .value = "(rare)"});
      }
      features_[rare_rows_[field]].count += feature.count;
      new_rows[old_row] = rare_rows_[field];
    }
  }
  rows_.clear();
  for (size_t row = 0; row < features_.size(); ++row) {
    rows_.emplace(features_[row].key, static_cast<uint32_t>(row));
  }
  return new_rows;
}

std::vector<uint64_t> Vocabulary::keys() const {
  std::vector<uint64_t> keys;
  keys.reserve(features_.size());
  for (const Feature& feature : features_) keys.push_back(feature.key);
  return keys;
}

uint32_t Vocabulary::Find(uint64_t key, uint8_t field) const {
  const auto it = rows_.find(key);
  return it != rows_.end() ? it->second : rare_rows_[field];
}

}  // namespace fmserve::trainer
