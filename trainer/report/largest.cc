#include "trainer/report/largest.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "model/kernels/kernels.h"
#include "model/scorer.h"
#include "trainer/row_table.h"

namespace fmserve::trainer {
namespace {

constexpr size_t kMaxFeaturesPerRow = 512;

// Whether a is to stand before b: larger weights first, equal ones by key.
bool LargerWeight(const LargeWeight& a, const LargeWeight& b) {
  const double left = std::abs(a.w);
  const double right = std::abs(b.w);
  return left != right ? left > right : a.key < b.key;
}

bool LargerInteraction(const LargeInteraction& a, const LargeInteraction& b) {
  return std::abs(a.interaction) > std::abs(b.interaction);
}

}  // namespace

absl::StatusOr<std::vector<LargeWeight>> FindLargestWeights(
    std::shared_ptr<const model::WeightFile> file, size_t count, uint64_t min_count) {
  const bool counted = file->counts().has_value();
  std::vector<LargeWeight> heap;  // the smallest of the largest in front
  const absl::Status status = FileRows(std::move(file)).ForEach([&](const FeatureRow& row) {
    if (count == 0 || (counted && row.count < min_count)) return absl::OkStatus();
    LargeWeight weight{.key = row.key, .count = row.count, .w = row.w};
    if (heap.size() == count && !LargerWeight(weight, heap.front())) return absl::OkStatus();
    if (row.name) {
      weight.field = row.name->field;
      weight.value = std::string(row.name->value);
    }
    if (heap.size() == count) {
      std::pop_heap(heap.begin(), heap.end(), LargerWeight);
      heap.pop_back();
    }
    heap.push_back(std::move(weight));
    std::push_heap(heap.begin(), heap.end(), LargerWeight);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  std::sort(heap.begin(), heap.end(), LargerWeight);
  return heap;
}

absl::StatusOr<std::vector<CommonFeature>> FindCommonFeatures(const model::WeightFile& file,
                                                              const RawExamples& examples,
                                                              size_t count) {
  RowEncoder encoder(file.schema());
  absl::flat_hash_map<uint64_t, CommonFeature> found;
  std::vector<std::string_view> cells;
  for (const std::vector<std::string>& row : examples.cells) {
    cells.assign(row.begin(), row.end());
    if (absl::Status status = encoder.Encode(cells); !status.ok()) return status;
    const model::FeatureSpan features = encoder.all();
    for (size_t i = 0; i < std::min(features.size(), kMaxFeaturesPerRow); ++i) {
      CommonFeature& feature = found[features.keys[i]];
      feature.key = features.keys[i];
      feature.field = features.fields[i];
      ++feature.rows;
    }
  }
  std::vector<CommonFeature> common;
  for (const auto& [key, feature] : found) {
    if (file.dictionary().Find(key) != model::kNoSlot) common.push_back(feature);
  }
  std::sort(common.begin(), common.end(), [](const CommonFeature& a, const CommonFeature& b) {
    return a.rows != b.rows ? a.rows > b.rows : a.key < b.key;
  });
  common.resize(std::min(common.size(), count));
  return common;
}

absl::StatusOr<std::vector<LargeInteraction>> FindLargestInteractions(
    const model::WeightFile& file, std::span<const CommonFeature> features, size_t count) {
  const absl::StatusOr<const model::KernelTable*> kernels = model::DefaultKernels();
  if (!kernels.ok()) return kernels.status();
  // The scorer itself takes a row with all these features apart, so that this holds for every kind
  // of model that it knows.
  model::FeatureList list;
  for (const CommonFeature& feature : features) list.Add(feature.key, 1.0F, feature.field);
  const model::Explanation explanation =
      model::Scorer(file, **kernels).Explain(list.view(), model::FeatureSpan());
  std::vector<LargeInteraction> interactions;
  for (const model::Explanation::Pair& pair : explanation.pairs) {
    const CommonFeature& first = features[pair.first];
    const CommonFeature& second = features[pair.second];
    if (first.field != second.field) interactions.push_back({first, second, pair.interaction});
  }
  const size_t kept = std::min(count, interactions.size());
  std::partial_sort(interactions.begin(), interactions.begin() + static_cast<ptrdiff_t>(kept),
                    interactions.end(), LargerInteraction);
  interactions.resize(kept);
  return interactions;
}

}  // namespace fmserve::trainer
