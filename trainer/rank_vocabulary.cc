#include "trainer/rank_vocabulary.h"

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace fmserve::trainer {
namespace {

// Features as they travel: a column each, values one behind the other.
struct FeatureColumns {
  std::vector<uint64_t> keys;
  std::vector<uint64_t> counts;
  std::vector<uint8_t> fields;
  std::vector<uint32_t> value_bytes;
  std::vector<char> values;

  void Append(const Feature& feature) {
    keys.push_back(feature.key);
    counts.push_back(feature.count);
    fields.push_back(feature.field);
    value_bytes.push_back(static_cast<uint32_t>(feature.value.size()));
    values.insert(values.end(), feature.value.begin(), feature.value.end());
  }

  absl::Status Broadcast(Ranks& ranks, uint32_t root) {
    absl::Status status = BroadcastVector(ranks, root, keys);
    if (status.ok()) status = BroadcastVector(ranks, root, counts);
    if (status.ok()) status = BroadcastVector(ranks, root, fields);
    if (status.ok()) status = BroadcastVector(ranks, root, value_bytes);
    if (status.ok()) status = BroadcastVector(ranks, root, values);
    return status;
  }
};

// Returns the row of each.
std::vector<uint32_t> AddAll(const FeatureColumns& columns, Vocabulary& vocabulary) {
  std::vector<uint32_t> rows;
  rows.reserve(columns.keys.size());
  const char* value = columns.values.data();
  for (size_t i = 0; i < columns.keys.size(); ++i) {
    const size_t known = vocabulary.size();
    const uint32_t row = vocabulary.Add(columns.keys[i], columns.fields[i], columns.counts[i]);
    if (row == known) vocabulary[row].value = std::string(value, columns.value_bytes[i]);
    rows.push_back(row);
    value += columns.value_bytes[i];
  }
  return rows;
}

}  // namespace

absl::StatusOr<std::vector<uint32_t>> UniteVocabularies(Ranks& ranks, Vocabulary& vocabulary) {
  Vocabulary united;
  std::vector<uint32_t> own_rows;
  for (uint32_t root = 0; root < ranks.size(); ++root) {
    FeatureColumns columns;
    if (root == ranks.rank()) {
      for (size_t row = 0; row < vocabulary.size(); ++row) columns.Append(vocabulary[row]);
    }
    if (absl::Status status = columns.Broadcast(ranks, root); !status.ok()) return status;
    // As many as may be: each could be new.
    if (united.size() + columns.keys.size() >= kNoRow)
      return absl::ResourceExhaustedError("the ranks have more than 2^32 - 1 features together");
    std::vector<uint32_t> rows = AddAll(columns, united);
    if (root == ranks.rank()) own_rows = std::move(rows);
  }
  vocabulary = std::move(united);
  return own_rows;
}

}  // namespace fmserve::trainer
