#include "model/scorer.h"

#include <algorithm>
#include <cassert>

namespace fmserve::model {

void Scratch::ResetUnknown() {
  std::fill(std::begin(unknown_by_field_), std::end(unknown_by_field_), 0U);
}

Scorer::Scorer(const WeightFile& file, const KernelTable& kernels)
    : file_(&file),
      accumulate_(kernels.accumulate(file.rows().quantization, file.rows().k)),
      dot_(kernels.dot) {
  rare_slots_.fill(kNoSlot);
  for (size_t field = 0; field < file.schema().size(); ++field) {
    rare_slots_[field] = file.dictionary().Find(file.schema().rare_key(field));
  }
}

std::span<uint32_t> Scratch::Slots(size_t n) {
  if (slots_.size() < n) slots_.resize(n);
  return {slots_.data(), n};
}

void Scorer::ReplaceUnknown(std::span<const uint8_t> fields, std::span<uint32_t> slots,
                            Scratch& scratch) const {
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i] != kNoSlot) continue;
    ++scratch.unknown_by_field_[fields[i]];
    slots[i] = rare_slots_[fields[i]];
  }
}

std::span<const uint32_t> Scorer::Resolve(FeatureSpan features, Scratch& scratch) const {
  const std::span<uint32_t> slots = scratch.Slots(features.size());
  file_->dictionary().FindAll(features.keys, slots);
  ReplaceUnknown(features.fields, slots, scratch);
  return slots;
}

void Scorer::ScoreContext(FeatureSpan context, Scratch& scratch) const {
  const std::span<const uint32_t> slots = Resolve(context, scratch);
  std::fill_n(scratch.sums_, PaddedK(file_->rows().k), 0.0F);
  scratch.context_score_ =
      file_->info().w0 + accumulate_(file_->rows(), slots.data(), context.xs.data(), slots.size(),
                                     scratch.sums_, scratch.sums_);
}

void Scorer::ScoreCandidates(FeatureSpan features, std::span<const uint32_t> lengths,
                             Scratch& scratch, std::span<float> scores) const {
  assert(scores.size() == lengths.size());
  const std::span<uint32_t> slots = scratch.Slots(features.size());
  DictionaryLookup lookup(file_->dictionary(), features.keys, slots);
  size_t first = 0;
  for (size_t c = 0; c < lengths.size(); ++c) {
    assert(first + lengths[c] <= slots.size());
    if (!lookup.ResolveUntil(first + lengths[c])) {
      ReplaceUnknown(features.fields.subspan(first, lengths[c]), slots.subspan(first, lengths[c]),
                     scratch);
    }
    const double added = accumulate_(file_->rows(), slots.data() + first,
                                     features.xs.data() + first, lengths[c], scratch.sums_,
                                     /*sums_out=*/nullptr);
    scores[c] = static_cast<float>(scratch.context_score_ + added);
    first += lengths[c];
  }
  assert(first == slots.size());
}

FoldedItem Scorer::Fold(FeatureSpan item, Scratch& scratch) const {
  const auto length = static_cast<uint32_t>(item.size());
  FoldedItem folded;
  folded.vector.resize(PaddedK(file_->rows().k));
  FoldItems(item, {&length, 1}, scratch, folded.vector, {&folded.bias, 1});
  return folded;
}

void Scorer::FoldItems(FeatureSpan features, std::span<const uint32_t> lengths, Scratch& scratch,
                       std::span<float> vectors, std::span<double> biases) const {
  const size_t padded_k = PaddedK(file_->rows().k);
  assert(vectors.size() == lengths.size() * padded_k && biases.size() == lengths.size());
  const std::span<const uint32_t> slots = Resolve(features, scratch);
  std::fill(vectors.begin(), vectors.end(), 0.0F);
  size_t first = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    float* const vector = vectors.data() + i * padded_k;
    biases[i] = accumulate_(file_->rows(), slots.data() + first, features.xs.data() + first,
                            lengths[i], vector, vector);
    first += lengths[i];
  }
  assert(first == slots.size());
}

float Scorer::ScoreFolded(const FoldedItem& item, const Scratch& scratch) const {
  return static_cast<float>(scratch.context_score_ + item.bias +
                            dot_(item.vector.data(), scratch.sums_, item.vector.size()));
}

}  // namespace fmserve::model
