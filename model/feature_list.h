// Features in columns, as the scorer and the trainer take them.
#ifndef FMSERVE_MODEL_FEATURE_LIST_H_
#define FMSERVE_MODEL_FEATURE_LIST_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fmserve::model {

// Unowned columns of equal length: key, weight x and index of the field of each feature.
struct FeatureSpan {
  std::span<const uint64_t> keys;
  std::span<const float> xs;
  std::span<const uint8_t> fields;

  size_t size() const { return keys.size(); }
  FeatureSpan subspan(size_t first, size_t count) const {
    return {keys.subspan(first, count), xs.subspan(first, count), fields.subspan(first, count)};
  }
};

// Owned columns. Clear() keeps the memory, so a list that is used again does not allocate.
struct FeatureList {
  std::vector<uint64_t> keys;
  std::vector<float> xs;
  std::vector<uint8_t> fields;

  size_t size() const { return keys.size(); }
  void Clear() {
    keys.clear();
    xs.clear();
    fields.clear();
  }
  // Drops the features from `size` on; nothing if there are none.
  void Truncate(size_t size) {
    if (size >= keys.size()) return;
    keys.resize(size);
    xs.resize(size);
    fields.resize(size);
  }
  void Add(uint64_t key, float x, uint8_t field) {
    keys.push_back(key);
    xs.push_back(x);
    fields.push_back(field);
  }
  // Columns of equal length, all with the same weight.
  void Add(std::span<const uint64_t> new_keys, float x, std::span<const uint8_t> new_fields) {
    keys.insert(keys.end(), new_keys.begin(), new_keys.end());
    xs.insert(xs.end(), new_keys.size(), x);
    fields.insert(fields.end(), new_fields.begin(), new_fields.end());
  }
  FeatureSpan view() const { return {keys, xs, fields}; }
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_FEATURE_LIST_H_
