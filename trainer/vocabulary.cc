#include "trainer/vocabulary.h"

#include <utility>

namespace fmserve::trainer {
namespace {

bool IsRare(const model::FeatureSchema& schema, const Feature& feature) {
  return feature.count < schema.field(feature.field).min_count && !feature.is_old &&
         feature.key != schema.missing_key(feature.field);
}

Feature NewFeature(uint64_t key, uint8_t field) {
  Feature feature;
  feature.key = key;
  feature.field = field;
  return feature;
}

}  // namespace

uint32_t Vocabulary::Add(uint64_t key, uint8_t field, uint64_t count) {
  const auto [it, is_new] = rows_.try_emplace(key, static_cast<uint32_t>(features_.size()));
  if (is_new) features_.push_back(NewFeature(key, field));
  features_[it->second].count += count;
  return it->second;
}

std::vector<uint32_t> Vocabulary::Prune(const model::FeatureSchema& schema) {
  std::vector<Feature> all = std::exchange(features_, {});
  rows_.clear();
  distinct_values_.assign(schema.size(), 0);
  std::vector<uint32_t> new_rows;
  new_rows.reserve(all.size());
  for (Feature& feature : all) {
    const uint8_t field = feature.field;
    const uint64_t rare_key = schema.rare_key(field);
    const bool is_value = feature.key != schema.missing_key(field) && feature.key != rare_key;
    distinct_values_[field] += is_value;
    const bool is_rare = IsRare(schema, feature);
    const auto next_row = static_cast<uint32_t>(features_.size());
    const auto [it, is_new] = rows_.try_emplace(is_rare ? rare_key : feature.key, next_row);
    new_rows.push_back(it->second);
    if (is_new && !is_rare) {
      features_.push_back(std::move(feature));
      continue;
    }
    if (is_new) {
      features_.push_back(NewFeature(rare_key, field));
      features_.back().value = "(rare)";
    }
    // An old model's rare feature may come when there is a new one already.
    Feature& rare = features_[it->second];
    rare.count += feature.count;
    rare.is_old |= feature.is_old;
    rare.is_unseen &= feature.is_unseen;
  }
  rare_rows_.assign(schema.size(), kNoRow);
  for (size_t field = 0; field < schema.size(); ++field) {
    const auto rare = rows_.find(schema.rare_key(field));
    if (rare != rows_.end()) rare_rows_[field] = rare->second;
  }
  return new_rows;
}

std::vector<uint64_t> Vocabulary::keys() const {
  std::vector<uint64_t> keys;
  keys.reserve(features_.size());
  for (const Feature& feature : features_) keys.push_back(feature.key);
  return keys;
}

std::vector<uint8_t> Vocabulary::fields() const {
  std::vector<uint8_t> fields;
  fields.reserve(features_.size());
  for (const Feature& feature : features_) fields.push_back(feature.field);
  return fields;
}

uint32_t Vocabulary::Find(uint64_t key, uint8_t field) const {
  const auto it = rows_.find(key);
  return it != rows_.end() ? it->second : rare_rows_[field];
}

}  // namespace fmserve::trainer
