#include "model/folded_catalogue.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/norm_order.h"

namespace fmserve::model {
namespace {

double Norm(std::span<const float> vector) {
  double squares = 0.0;
  for (const float value : vector) squares += double{value} * value;
  return std::sqrt(squares);
}

}  // namespace

FoldedCatalogue::FoldedCatalogue(std::shared_ptr<const WeightFile> weights,
                                 std::shared_ptr<const CatalogueFile> catalogue,
                                 const KernelTable& kernels)
    : weights_(std::move(weights)),
      catalogue_(std::move(catalogue)),
      folder_(*weights_, *catalogue_, kernels),
      scan_(kernels.scan),
      refine_(kernels.refine) {}

absl::StatusOr<std::shared_ptr<const FoldedCatalogue>> FoldedCatalogue::Fold(
    std::shared_ptr<const WeightFile> weights, std::shared_ptr<const CatalogueFile> catalogue,
    const KernelTable& kernels, Checkpoint checkpoint, ItemVectors item_vectors) {
  if (absl::Status status = CheckFits(*weights, *catalogue); !status.ok()) return status;
  std::shared_ptr<FoldedCatalogue> folded(
      new FoldedCatalogue(std::move(weights), std::move(catalogue), kernels));
  absl::StatusOr<ItemIndex> index = ItemIndex::Build(folded->catalogue_->ids(), checkpoint);
  if (!index.ok()) return index.status();
  folded->index_ = *std::move(index);
  absl::StatusOr<ItemTable> table = ItemTable::Allocate(
      folded->catalogue_->size(), folded->weights_->folded_k(), item_vectors, kernels);
  if (!table.ok()) return table.status();
  folded->table_ = *std::move(table);
  absl::StatusOr<std::vector<float>> norms = folded->FillTable(checkpoint);
  if (!norms.ok()) return norms.status();
  absl::StatusOr<std::vector<uint32_t>> order = OrderByNorm(*norms, checkpoint);
  if (!order.ok()) return order.status();
  folded->order_ = *std::move(order);
  if (absl::Status status = folded->EncodeBlocks(checkpoint); !status.ok()) return status;
  if (absl::Status status =
          folded->attributes_.Build(*folded->catalogue_, folded->order_, checkpoint);
      !status.ok()) {
    return status;
  }
  return folded;
}

absl::StatusOr<std::vector<float>> FoldedCatalogue::FillTable(Checkpoint checkpoint) {
  const uint32_t size = catalogue_->size();
  std::vector<float> norms(size);
  std::vector<uint32_t> items(ItemFolder::kBatchItems);
  ItemFolder::Memory memory;
  for (uint32_t first = 0; first < size; first += ItemFolder::kBatchItems) {
    if (absl::Status status = checkpoint(); !status.ok()) return status;
    items.resize(std::min<size_t>(ItemFolder::kBatchItems, size - first));
    std::iota(items.begin(), items.end(), first);
    folder_.Fold(items, memory);
    for (size_t i = 0; i < items.size(); ++i) {
      const double norm = Norm(memory.vector(i));
      norms[items[i]] = static_cast<float>(norm);
      if (std::isfinite(norm) && std::isfinite(memory.biases()[i])) {
        table_.Set(items[i], memory.vector(i), memory.biases()[i]);
        continue;
      }
      return absl::InvalidArgumentError(
          absl::StrCat("item ", catalogue_->ids().ToString(items[i]),
                       ": the sums of its features are not finite numbers"));
    }
  }
  return norms;
}

absl::Status FoldedCatalogue::EncodeBlocks(Checkpoint checkpoint) {
  absl::StatusOr<ScanBlocks> blocks =
      ScanBlocks::Allocate(catalogue_->size(), weights_->folded_k());
  if (!blocks.ok()) return blocks.status();
  blocks_ = *std::move(blocks);
  places_.resize(order_.size());
  ItemFolder::Memory memory;
  for (uint32_t block = 0; block < blocks_.blocks_count(); ++block) {
    if (absl::Status status = checkpoint(); !status.ok()) return status;
    const uint32_t first = block * kScanBlockItems;
    const std::span<const uint32_t> items =
        std::span(order_).subspan(first, blocks_.ItemsOf(block));
    for (uint32_t i = 0; i < items.size(); ++i) places_[items[i]] = first + i;
    folder_.Fold(items, memory);
    blocks_.Encode(block, memory.vectors(), memory.biases());
  }
  blocks_.Finish();
  return absl::OkStatus();
}

absl::Status FoldedCatalogue::ReleasePages(Checkpoint checkpoint) const {
  absl::Status status = table_.ReleasePages(checkpoint);
  if (status.ok()) status = blocks_.ReleasePages(checkpoint);
  if (status.ok()) status = index_.ReleasePages(checkpoint);
  return status;
}

size_t FoldedCatalogue::bytes() const {
  return index_.bytes() + table_.bytes() + blocks_.bytes() +
         (order_.size() + places_.size()) * sizeof(uint32_t) + attributes_.bytes();
}

}  // namespace fmserve::model
