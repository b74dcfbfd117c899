// FoldedCatalogue::Best and BestOfEach: the scan of one context, and of several side by side.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <optional>

#include "model/folded_catalogue.h"
#include "model/item_filter.h"

namespace fmserve::model {
namespace {

constexpr uint32_t kWorkPerQuestion = 16384;  // in items scanned
constexpr uint32_t kWorkPerExactScore = 64;
constexpr uint32_t kGroupWords = kScanGroupItems / 64;
constexpr uint32_t kWordBlocks = 64 / kScanBlockItems;
// How far ahead filtered scans look.
constexpr uint32_t kBlocksAhead = 16;
constexpr uint32_t kGroupsAhead = 16;
constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

// Bounds of groups and exact scores are computed in double precision, norms are rounded up far
// beyond its roundings, and this covers those of the biases.
constexpr double kBiasSlack = 0x1p-40;

double Dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0.0;
  for (size_t f = 0; f < a.size(); ++f) sum += double{a[f]} * b[f];
  return sum;
}

}  // namespace

// The scan of one context, a group at a time, so that others can take their turn in between.
class CatalogueScan {
 public:
  // Uses `memory` from here to Finish.
  CatalogueScan(const FoldedCatalogue& catalogue, const ContextQuery& query, TopKMemory& memory)
      : catalogue_(catalogue),
        blocks_(catalogue.blocks_),
        context_score_(query.context->context_score()),
        sums_(query.context->context_sums().first(PaddedK(catalogue.weights_->folded_k()))),
        quantized_(blocks_.Quantize(sums_)),
        sums_norm_(quantized_.norm),
        filter_(query.filter == nullptr ? std::span<const uint64_t>() : query.filter->words()),
        memory_(memory) {
    const size_t k = std::min(query.k, kMaxTopK);
    memory_.candidates_.Reset(k, kScanHitsAtOnce + kScanGroupItems);
    if (k == 0) covered_items_ = size();
    done_ = covered_items_ == size();
  }

  bool done() const { return done_; }

  // Scans the next group, or proves that it need not; only before it is done.
  void ScanNext(absl::FunctionRef<bool()> keep_going) {
    if (work_ >= kWorkPerQuestion) {
      done_ = !keep_going();
      if (done_) return;
      work_ = 0;
    }
    const ScanBound& bound = blocks_.bound(group_);
    if (OutOfReach(bound.norm, bound.bias_rest)) {
      covered_items_ = size();
    } else {
      if (!filter_.empty()) LookAhead();
      if (!OutOfReach(bound.norm, bound.bias) && !FilteredOut(group_)) work_ += Scan(group_);
      ++group_;
      covered_items_ = std::min(size(), group_ * kScanGroupItems);
    }
    done_ = covered_items_ == size();
  }

  // When it is done: what it found.
  TopK Finish() {
    AddHits();
    memory_.candidates_.Prune();
    MakeExact();
    memory_.candidates_.KeepBest();
    memory_.ranked_.clear();
    for (const Candidate& candidate : memory_.candidates_.all())
      memory_.ranked_.push_back({candidate.item, context_score_ + candidate.lower});
    return {.items = memory_.ranked_, .covered_items = covered_items_};
  }

 private:
  uint32_t size() const { return catalogue_.catalogue_->size(); }

  bool OutOfReach(double norm, double bias) const {
    const double upper = norm * sums_norm_ + bias + std::abs(bias) * kBiasSlack;
    return upper < memory_.candidates_.threshold();
  }

  bool FilteredOut(uint32_t group) const {
    return !filter_.empty() && (wanted_groups_ >> group % 64 & 1) == 0;
  }

  // Which of the next groups have an item that passes the filter, and asks memory for their first
  // blocks with one, as far as the kernel looks ahead within a group: where few are wanted, the
  // scan skips what lies between them faster than memory answers.
  void LookAhead() {
    uint32_t blocks_count = 0;
    const uint32_t end = std::min(blocks_.groups_count(), group_ + 1 + kGroupsAhead);
    for (; looked_at_ < end && (looked_at_ <= group_ + 1 || blocks_count < kBlocksAhead);
         ++looked_at_) {
      const uint64_t* const words = filter_.data() + size_t{looked_at_} * kGroupWords;
      uint64_t any = 0;
      for (uint32_t i = 0; i < kGroupWords; ++i) any |= words[i];
      const uint64_t bit = uint64_t{1} << looked_at_ % 64;
      wanted_groups_ = any == 0 ? wanted_groups_ & ~bit : wanted_groups_ | bit;
      if (any == 0) continue;
      uint32_t left = kBlocksAhead;
      for (uint32_t block = 0; block < kScanGroupBlocks && left > 0; ++block) {
        if ((words[block / kWordBlocks] >> block % kWordBlocks * kScanBlockItems & 0xffff) == 0)
          continue;
        blocks_.Prefetch(looked_at_ * kScanGroupBlocks + block);
        --left;
      }
      blocks_count += kBlocksAhead - left;
    }
  }

  // Returns the work that it was.
  uint32_t Scan(uint32_t group) {
    const uint64_t* const filter =
        filter_.empty() ? nullptr : filter_.data() + size_t{group} * kGroupWords;
    const float threshold =
        blocks_.ThresholdFor(quantized_, group, memory_.candidates_.threshold());
    hits_count_ += catalogue_.scan_(quantized_, blocks_.group(group), filter, threshold,
                                    memory_.hits_ + hits_count_);
    return kScanGroupItems + (hits_count_ >= kScanHitsAtOnce ? AddHits() : 0);
  }

  // Of all hits that are not refined yet. Returns the work that it was beside that of the scan.
  uint32_t AddHits() {
    TopCandidates& candidates = memory_.candidates_;
    catalogue_.refine_(quantized_, blocks_.rows(), memory_.hits_, hits_count_);
    for (const ScanHit& hit : std::span(memory_.hits_).first(hits_count_)) {
      if (hit.item >= size()) break;  // what fills up the last block
      const ScoreRange range = blocks_.RangeOf(quantized_, hit);
      if (range.upper < candidates.threshold()) continue;
      candidates.Add({.lower = range.lower,
                      .upper = range.upper,
                      .item = catalogue_.order_[hit.item],
                      .exact = false});
    }
    hits_count_ = 0;
    if (!candidates.full() || candidates.Prune()) return 0;
    const uint32_t exact_count = MakeExact();
    candidates.KeepBest();
    return exact_count * kWorkPerExactScore;
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
  const double context_score_;
  const std::span<const float> sums_;
  const ScanContext quantized_;
  const double sums_norm_;
  const std::span<const uint64_t> filter_;
  TopKMemory& memory_;
  uint32_t group_ = 0;          // the next
  size_t hits_count_ = 0;       // not refined yet
  uint32_t looked_at_ = 0;      // groups, by LookAhead
  uint64_t wanted_groups_ = 0;  // bit g % 64: whether group g passes the filter, of those looked at
  uint32_t work_ = kWorkPerQuestion;
  uint32_t covered_items_ = 0;
  bool done_ = false;
};

TopK FoldedCatalogue::Best(const Scratch& context, size_t k, const ItemFilter* filter,
                           absl::FunctionRef<bool()> keep_going, TopKMemory& memory) const {
  CatalogueScan scan(*this, {.context = &context, .k = k, .filter = filter}, memory);
  while (!scan.done()) scan.ScanNext(keep_going);
  return scan.Finish();
}

void FoldedCatalogue::BestOfEach(std::span<const ContextQuery> queries,
                                 absl::FunctionRef<bool(size_t)> keep_going,
                                 std::span<TopKMemory> memories, std::span<TopK> tops) const {
  assert(memories.size() == queries.size() && tops.size() == queries.size());
  for (size_t first = 0; first < queries.size(); first += kScanContexts) {
    const size_t count = std::min(kScanContexts, queries.size() - first);
    std::optional<CatalogueScan> scans[kScanContexts];
    for (size_t i = 0; i < count; ++i)
      scans[i].emplace(*this, queries[first + i], memories[first + i]);
    // The group that the first scan brings into the cache is there for the others.
    for (bool all_done = false; !all_done;) {
      all_done = true;
      for (size_t i = 0; i < count; ++i) {
        CatalogueScan& scan = *scans[i];
        if (scan.done()) continue;
        scan.ScanNext([&] { return keep_going(first + i); });
        all_done = all_done && scan.done();
      }
    }
    for (size_t i = 0; i < count; ++i) tops[first + i] = scans[i]->Finish();
  }
}

}  // namespace fmserve::model
