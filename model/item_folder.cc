#include "model/item_folder.h"

#include "absl/strings/str_cat.h"
#include "model/text.h"

namespace fmserve::model {
namespace {

void AppendFeatures(FeatureSpan features, FeatureList& list) {
  list.keys.insert(list.keys.end(), features.keys.begin(), features.keys.end());
  list.xs.insert(list.xs.end(), features.xs.begin(), features.xs.end());
  list.fields.insert(list.fields.end(), features.fields.begin(), features.fields.end());
}

}  // namespace

absl::Status CheckFits(const WeightFile& weights, const CatalogueFile& catalogue) {
  const FeatureSchema& older = catalogue.schema();
  if (absl::Status status = weights.schema().CompatibleWith(older); !status.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the catalogue's features are not those of the weights: ", status.message()));
  }
  for (size_t i = 0; i < older.size(); ++i) {
    const Field& field = older.field(i);
    const Field& now = weights.schema().field(i);
    if (field.side == Side::kContext) continue;
    if (field.mean == now.mean && field.stddev == now.stddev) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "field ", Quote(field.name), " was standardised with mean ", field.mean, " and deviation ",
        field.stddev, " in the catalogue, and with ", now.mean, " and ", now.stddev,
        " in the weights; make the catalogue again with the schema of the weights"));
  }
  return absl::OkStatus();
}

ItemFolder::ItemFolder(const WeightFile& weights, const CatalogueFile& catalogue,
                       const KernelTable& kernels)
    : catalogue_(&catalogue), scorer_(weights, kernels), padded_k_(PaddedK(weights.folded_k())) {
  const FeatureSchema& schema = weights.schema();
  for (size_t field = catalogue.schema().size(); field < schema.size(); ++field) {
    if (schema.field(field).side == Side::kItem)
      missing_.Add(schema.missing_key(field), 1.0F, static_cast<uint8_t>(field));
  }
}

void ItemFolder::Fold(std::span<const uint32_t> items, Memory& memory) const {
  // In stages, so that no read waits for another.
  for (const uint32_t item : items) catalogue_->PrefetchFeatures(item);
  for (const uint32_t item : items) {
    const FeatureSpan features = catalogue_->features(item);
    __builtin_prefetch(features.keys.data());
    __builtin_prefetch(features.xs.data());
    __builtin_prefetch(features.fields.data());
  }
  memory.features_.Clear();
  memory.lengths_.clear();
  for (const uint32_t item : items) {
    const size_t begin = memory.features_.size();
    AppendFeatures(catalogue_->features(item), memory.features_);
    AppendFeatures(missing_.view(), memory.features_);
    memory.lengths_.push_back(static_cast<uint32_t>(memory.features_.size() - begin));
  }
  memory.count_ = items.size();
  memory.padded_k_ = padded_k_;
  if (memory.biases_.size() < items.size()) {
    memory.biases_.resize(items.size());
    memory.vectors_.resize(items.size() * padded_k_);
  }
  scorer_.FoldItems(memory.features_.view(), memory.lengths_, memory.scratch_,
                    {memory.vectors_.data(), items.size() * padded_k_},
                    {memory.biases_.data(), items.size()});
}

}  // namespace fmserve::model
