// FoldedCatalogue::Best: the scan of one request.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "model/folded_catalogue.h"
#include "model/item_filter.h"

namespace fmserve::model {
namespace {

constexpr uint32_t kWorkPerQuestion = 16384;  // in items scanned
constexpr uint32_t kWorkPerExactScore = 64;
constexpr uint32_t kGroupWords = kScanGroupItems / 64;
constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

// Bounds of groups and exact scores are computed in double precision, norms are rounded up far
// beyond its roundings, and this covers those of the biases.
constexpr double kBiasSlack = 0x1p-40;

// A float that scores can be compared with after additions of floats: docs/decisions/0040.
float ScanThreshold(double threshold) {
  const double lower = threshold - std::abs(threshold) * 0x1p-22;
  const auto rounded = static_cast<float>(lower);
  if (!(rounded > lower)) return rounded;
  return std::nextafter(rounded, -std::numeric_limits<float>::infinity());
}

double Dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0.0;
  for (size_t f = 0; f < a.size(); ++f) sum += double{a[f]} * b[f];
  return sum;
}

}  // namespace

class CatalogueScan {
 public:
  CatalogueScan(const FoldedCatalogue& catalogue, const Scratch& context, const ItemFilter* filter,
                TopKMemory& memory)
      : catalogue_(catalogue),
        blocks_(catalogue.blocks_),
        sums_(context.context_sums().first(PaddedK(catalogue.weights_->info().k))),
        quantized_(blocks_.Quantize(sums_)),
        sums_norm_(quantized_.residual_norm_factor),
        filter_(filter == nullptr ? std::span<const uint64_t>() : filter->words()),
        memory_(memory) {}

  // Where in the order it ended.
  uint32_t Run(size_t k, absl::FunctionRef<bool()> keep_going) {
    const uint32_t size = catalogue_.catalogue_->size();
    memory_.candidates_.Reset(k, kScanGroupItems);
    uint32_t covered_items = k == 0 ? size : 0;
    uint32_t work = kWorkPerQuestion;
    for (uint32_t group = 0; covered_items < size; ++group) {
      if (work >= kWorkPerQuestion) {
        if (!keep_going()) break;
        work = 0;
      }
      const ScanBound& bound = blocks_.bound(group);
      if (OutOfReach(bound.norm, bound.bias_rest)) {
        covered_items = size;
        break;
      }
      if (!OutOfReach(bound.norm, bound.bias) && !FilteredOut(group)) work += ScanGroup(group);
      covered_items = std::min(size, (group + 1) * kScanGroupItems);
    }
    memory_.candidates_.Prune();
    MakeExact();
    memory_.candidates_.KeepBest();
    return covered_items;
  }

 private:
  bool OutOfReach(double norm, double bias) const {
    const double upper = norm * sums_norm_ + bias + std::abs(bias) * kBiasSlack;
    return upper < memory_.candidates_.threshold();
  }

  bool FilteredOut(uint32_t group) const {
    if (filter_.empty()) return false;
    const auto words = filter_.subspan(size_t{group} * kGroupWords, kGroupWords);
    return std::all_of(words.begin(), words.end(), [](uint64_t word) { return word == 0; });
  }

  // Returns the work that it was.
  uint32_t ScanGroup(uint32_t group) {
    TopCandidates& candidates = memory_.candidates_;
    const uint64_t* const filter =
        filter_.empty() ? nullptr : filter_.data() + size_t{group} * kGroupWords;
    const size_t hits_count =
        catalogue_.scan_(quantized_, blocks_.group(group), blocks_.BlocksOf(group), filter,
                         ScanThreshold(candidates.threshold()), memory_.hits_);
    for (size_t i = 0; i < hits_count; ++i) AddHits(group, memory_.hits_[i]);
    uint32_t work = kScanGroupItems;
    if (candidates.full() && !candidates.Prune()) {
      work += MakeExact() * kWorkPerExactScore;
      candidates.KeepBest();
    }
    return work;
  }

  void AddHits(uint32_t group, const ScanHit& hit) {
    const uint32_t first = group * kScanGroupItems + hit.block * kScanBlockItems;
    for (uint32_t mask = hit.mask; mask != 0; mask &= mask - 1) {
      const auto i = static_cast<uint32_t>(std::countr_zero(mask));
      if (first + i >= catalogue_.order_.size()) break;
      Candidate candidate = {.lower = double{hit.scores[i]} - hit.error,
                             .upper = double{hit.scores[i]} + hit.error,
                             .item = catalogue_.order_[first + i],
                             .exact = false};
      if (std::isnan(candidate.lower) || std::isnan(candidate.upper)) {
        candidate.lower = kMinusInfinity;
        candidate.upper = -kMinusInfinity;
      }
      if (candidate.upper >= memory_.candidates_.threshold()) memory_.candidates_.Add(candidate);
    }
  }

  // Returns how many were not exact before.
  uint32_t MakeExact() {
    const std::span<Candidate> all = memory_.candidates_.all();
    uint32_t count = 0;
    for (size_t next = 0; next < all.size();) {
      memory_.items_.clear();
      const size_t begin = next;
      for (; next < all.size() && memory_.items_.size() < ItemFolder::kBatchItems; ++next) {
        if (!all[next].exact) memory_.items_.push_back(all[next].item);
      }
      count += static_cast<uint32_t>(memory_.items_.size());
      catalogue_.folder_.Fold(memory_.items_, memory_.folding_);
      size_t folded = 0;
      for (size_t i = begin; i < next; ++i) {
        if (all[i].exact) continue;
        const double score =
            memory_.folding_.biases()[folded] + Dot(memory_.folding_.vector(folded), sums_);
        all[i].lower = all[i].upper = std::isnan(score) ? kMinusInfinity : score;
        all[i].exact = true;
        ++folded;
      }
    }
    return count;
  }

  const FoldedCatalogue& catalogue_;
  const ScanBlocks& blocks_;
  const std::span<const float> sums_;
  const ScanContext quantized_;
  const double sums_norm_;
  const std::span<const uint64_t> filter_;
  TopKMemory& memory_;
};

TopK FoldedCatalogue::Best(const Scratch& context, size_t k, const ItemFilter* filter,
                           absl::FunctionRef<bool()> keep_going, TopKMemory& memory) const {
  TopK top;
  top.covered_items =
      CatalogueScan(*this, context, filter, memory).Run(std::min(k, kMaxTopK), keep_going);
  memory.ranked_.clear();
  for (const Candidate& candidate : memory.candidates_.all())
    memory.ranked_.push_back({candidate.item, context.context_score() + candidate.lower});
  top.items = memory.ranked_;
  return top;
}

}  // namespace fmserve::model
