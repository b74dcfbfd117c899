#include "model/scorer.h"

#include <algorithm>
#include <cassert>

namespace fmserve::model {

void Scratch::ResetUnknown() {
  std::fill(std::begin(unknown_by_field_), std::end(unknown_by_field_), 0U);
}

Scorer::Scorer(const WeightFile& file, const KernelTable& kernels)
    : file_(&file),
      field_factors_(file.field_matrix() ? FieldFactors(*file.field_matrix()) : FieldFactors()),
      accumulate_(kernels.accumulate(file.rows().quantization, file.rows().k)),
      accumulate_fields_(kernels.accumulate_fields(file.rows().quantization)),
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

double Scorer::Accumulate(FeatureSpan features, const uint32_t* slots, const float* sums_in,
                          float* sums_out) const {
  if (field_factors_.empty()) {
    return accumulate_(file_->rows(), slots, features.xs.data(), features.size(), sums_in,
                       sums_out);
  }
  return accumulate_fields_(file_->rows(), field_factors_.view(), slots, features.fields.data(),
                            features.xs.data(), features.size(), sums_in, sums_out);
}

void Scorer::ScoreContext(FeatureSpan context, Scratch& scratch) const {
  const uint32_t k = file_->rows().k;
  const uint32_t* const slots = Resolve(context, scratch).data();
  std::fill_n(scratch.sums_, PaddedK(file_->folded_k()), 0.0F);
  if (field_factors_.empty()) {
    scratch.context_score_ =
        file_->info().w0 + Accumulate(context, slots, scratch.sums_, scratch.sums_);
    return;
  }
  std::fill_n(scratch.ranked_sums_, field_factors_.rank() * PaddedK(k), 0.0F);
  scratch.context_score_ =
      file_->info().w0 + Accumulate(context, slots, scratch.ranked_sums_, scratch.ranked_sums_);
  field_factors_.PackContext(scratch.ranked_sums_, k, scratch.sums_);
}

void Scorer::ScoreCandidates(FeatureSpan features, std::span<const uint32_t> lengths,
                             Scratch& scratch, std::span<float> scores) const {
  assert(scores.size() == lengths.size());
  const std::span<uint32_t> slots = scratch.Slots(features.size());
  const float* const sums = field_factors_.empty() ? scratch.sums_ : scratch.ranked_sums_;
  DictionaryLookup lookup(file_->dictionary(), features.keys, slots);
  size_t first = 0;
  for (size_t c = 0; c < lengths.size(); ++c) {
    assert(first + lengths[c] <= slots.size());
    const FeatureSpan candidate = features.subspan(first, lengths[c]);
    if (!lookup.ResolveUntil(first + lengths[c]))
      ReplaceUnknown(candidate.fields, slots.subspan(first, lengths[c]), scratch);
    const double added = Accumulate(candidate, slots.data() + first, sums, /*sums_out=*/nullptr);
    scores[c] = static_cast<float>(scratch.context_score_ + added);
    first += lengths[c];
  }
  assert(first == slots.size());
}

FoldedItem Scorer::Fold(FeatureSpan item, Scratch& scratch) const {
  const auto length = static_cast<uint32_t>(item.size());
  FoldedItem folded;
  folded.vector.resize(PaddedK(file_->folded_k()));
  FoldItems(item, {&length, 1}, scratch, folded.vector, {&folded.bias, 1});
  return folded;
}

void Scorer::FoldItems(FeatureSpan features, std::span<const uint32_t> lengths, Scratch& scratch,
                       std::span<float> vectors, std::span<double> biases) const {
  const uint32_t k = file_->rows().k;
  const size_t padded_k = PaddedK(file_->folded_k());
  assert(vectors.size() == lengths.size() * padded_k && biases.size() == lengths.size());
  const std::span<const uint32_t> slots = Resolve(features, scratch);
  std::fill(vectors.begin(), vectors.end(), 0.0F);
  size_t first = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    float* const vector = vectors.data() + i * padded_k;
    const FeatureSpan item = features.subspan(first, lengths[i]);
    if (field_factors_.empty()) {
      biases[i] = Accumulate(item, slots.data() + first, vector, vector);
    } else {
      alignas(64) float sums[kMaxRankedSums];
      std::fill_n(sums, field_factors_.rank() * PaddedK(k), 0.0F);
      biases[i] = Accumulate(item, slots.data() + first, sums, sums);
      field_factors_.PackItem(sums, k, vector);
    }
    first += lengths[i];
  }
  assert(first == slots.size());
}

float Scorer::ScoreFolded(const FoldedItem& item, const Scratch& scratch) const {
  return static_cast<float>(scratch.context_score_ + item.bias +
                            dot_(item.vector.data(), scratch.sums_, item.vector.size()));
}

}  // namespace fmserve::model
