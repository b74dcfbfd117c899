// A catalogue folded with the weights, and the exact best K of its items for a context.
//
// With a context of sums u, an item of features summed to (vector v, bias b) scores
// context + b + <v, u>: the inner product of (v, b) and (u, 1), as in Amazon's recipe for the top x
// of a factorization machine (Lyons et al., "Build a movie recommender with factorization machines
// on Amazon SageMaker", 2018). In a field-weighted model the vectors have k factors per rank. The
// scan goes over all items in int8, sorted by the norm of v, and leaves out those whose proven
// upper bound is below K lower bounds (docs/decisions/0040-exact-top-k.md); the rest are summed
// again from the weights and scored in double precision.
#ifndef FMSERVE_MODEL_FOLDED_CATALOGUE_H_
#define FMSERVE_MODEL_FOLDED_CATALOGUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "model/attribute_index.h"
#include "model/catalogue_file.h"
#include "model/checkpoint.h"
#include "model/item_folder.h"
#include "model/item_index.h"
#include "model/item_table.h"
#include "model/kernels/kernels.h"
#include "model/scan_blocks.h"
#include "model/scorer.h"
#include "model/top_candidates.h"
#include "model/weight_file.h"

namespace fmserve::model {

class ItemFilter;

inline constexpr size_t kMaxTopK = 1000;

// How many contexts BestOfEach scans side by side
// (docs/decisions/0041-contexts-share-a-scan.md).
inline constexpr size_t kScanContexts = 16;

// Hits of the scan are refined that many at a time or more, so that it seldom waits for their rows.
inline constexpr size_t kScanHitsAtOnce = 32;

// An item and its score, before calibration and link (Scorer::Predict).
struct RankedItem {
  uint32_t item = 0;  // its number: CatalogueFile::ids() and so on
  double score = 0.0;
};

struct TopK {
  // By score descending, equal ones by item number; valid until the next use of the memory.
  std::span<const RankedItem> items;
  // Of CatalogueFile::size(): the items that were looked at or proven out of reach, filtered ones
  // included. `items` are the best of these.
  uint32_t covered_items = 0;
};

// Memory of one request for the best K; used by one thread at a time, reused without allocating
// once it has seen the largest request.
class TopKMemory {
 private:
  friend class FoldedCatalogue;
  friend class CatalogueScan;
  TopCandidates candidates_;
  ItemFolder::Memory folding_;
  std::vector<uint32_t> items_;
  std::vector<RankedItem> ranked_;
  ScanHit hits_[kScanHitsAtOnce + kScanGroupItems];
};

// What FoldedCatalogue::BestOfEach is asked about one context: the arguments of Best. Owns nothing.
struct ContextQuery {
  const Scratch* context = nullptr;  // never null when asked
  size_t k = 0;
  const ItemFilter* filter = nullptr;
};

// Immutable; safe from any thread.
class FoldedCatalogue {
 public:
  // Folds every item. Takes the time of scoring each item twice, and 5 bytes per factor and item (2
  // with `item_vectors` in int8), 25 to 33 bytes per item and what the attributes need; the files
  // stay in use. `item_vectors` is how Score has the items; Best is exact either way. `checkpoint`
  // is called every ten microseconds or so of work; its errors are returned. FailedPrecondition
  // when the catalogue's features are not those of the weights, InvalidArgument when an item's sums
  // are not finite, ResourceExhausted.
  static absl::StatusOr<std::shared_ptr<const FoldedCatalogue>> Fold(
      std::shared_ptr<const WeightFile> weights, std::shared_ptr<const CatalogueFile> catalogue,
      const KernelTable& kernels, Checkpoint checkpoint = NeverStop,
      ItemVectors item_vectors = ItemVectors::kF32);

  // The best `k` items (at most kMaxTopK; more count as kMaxTopK) for the context that `context`
  // holds (Scorer::ScoreContext with these weights), of those that `filter` lets through; null for
  // all. Exact: the scores are the sum of context_score, the bias and the inner product of folded
  // vector and context sums in double precision, and no item outside scores higher, nor the same
  // with a lower number. A score that is not a number counts as minus infinity.
  //
  // `keep_going` is asked before every 16384 items or 256 exact scores, whichever comes first, some
  // hundred microseconds; after false the best of what was covered come back, within some hundred
  // microseconds more. Does not allocate when `memory` is warm.
  TopK Best(const Scratch& context, size_t k, const ItemFilter* filter,
            absl::FunctionRef<bool()> keep_going, TopKMemory& memory) const;

  // The same as Best for each of any number of queries, of which kScanContexts at a time read the
  // items once between them: for many contexts whose answers may wait for each other. Their filters
  // may be one object. `memories` and `tops` are as many as `queries`; tops[i] belongs to
  // queries[i] and is valid until the next use of memories[i].
  //
  // keep_going(i) is what Best asks for queries[i], at the same places of its scan; after false it
  // ends, and the others go on. All that are scanned together take turns between two questions
  // about one, and none is answered before all of them are.
  void BestOfEach(std::span<const ContextQuery> queries, absl::FunctionRef<bool(size_t)> keep_going,
                  std::span<TopKMemory> memories, std::span<TopK> tops) const;

  // The items with these ids; kNoItem where there is none, also for ids of the other type. The
  // sizes are the same. Does not allocate.
  void Find(std::span<const uint64_t> ids, std::span<uint32_t> items) const {
    index_.Find(ids, items);
  }
  void Find(std::span<const std::string_view> ids, std::span<uint32_t> items) const {
    index_.Find(ids, items);
  }

  // Scores of items, O(k) each, for the context that `context` holds: what Scorer::ScoreCandidates
  // gives for their features, but for the rounding of sums to float, or what int8 loses
  // (int8_rows.h). The sizes are the same.
  void Score(std::span<const uint32_t> items, const Scratch& context,
             std::span<float> scores) const {
    table_.Score(items, context, scores);
  }

  const WeightFile& weights() const { return *weights_; }
  const CatalogueFile& file() const { return *catalogue_; }

  // Memory, files apart.
  size_t bytes() const;

  // Gives the big tables back in steps, so that the destructor, which has to do it at once, finds
  // little left. Errors of `checkpoint`. Only for who holds the last reference and asks for nothing
  // more.
  absl::Status ReleasePages(Checkpoint checkpoint) const;

  // To share the file with the same items folded with other weights.
  const std::shared_ptr<const CatalogueFile>& shared_file() const { return catalogue_; }

 private:
  friend class CatalogueScan;
  friend class ItemFilter;

  FoldedCatalogue(std::shared_ptr<const WeightFile> weights,
                  std::shared_ptr<const CatalogueFile> catalogue, const KernelTable& kernels);
  absl::StatusOr<std::vector<float>> FillTable(Checkpoint checkpoint);  // returns the norms
  absl::Status EncodeBlocks(Checkpoint checkpoint);

  std::shared_ptr<const WeightFile> weights_;
  std::shared_ptr<const CatalogueFile> catalogue_;
  ItemFolder folder_;
  ScanFn scan_;
  RefineFn refine_;
  ItemIndex index_;
  ItemTable table_;
  ScanBlocks blocks_;
  std::vector<uint32_t> order_;   // item at each place of the scan
  std::vector<uint32_t> places_;  // place of each item
  AttributeIndex attributes_;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_FOLDED_CATALOGUE_H_
