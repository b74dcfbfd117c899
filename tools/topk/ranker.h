// The best items of many users, by several threads.
#ifndef FMSERVE_TOOLS_TOPK_RANKER_H_
#define FMSERVE_TOOLS_TOPK_RANKER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/folded_catalogue.h"
#include "model/item_filter.h"
#include "model/scorer.h"
#include "tools/topk/filter_text.h"
#include "tools/topk/user_reader.h"

namespace fmserve::tools {

struct RankOptions {
  size_t k = 100;  // at most model::kMaxTopK
  size_t threads = 1;
  std::vector<FilterStep> filter = {};  // empty: all items
};

// Called by one thread; has its own threads while it ranks.
class Ranker {
 public:
  // Folds the catalogue. Errors of FoldedCatalogue::Fold and ApplyFilter.
  static absl::StatusOr<std::unique_ptr<Ranker>> Create(
      std::shared_ptr<const model::WeightFile> weights,
      std::shared_ptr<const model::CatalogueFile> catalogue, const RankOptions& options);

  // Items that the filter lets through.
  uint32_t items_count() const;

  // Appends a line "user <tab> rank <tab> item <tab> prediction" per item, the best first, for all
  // users in the order of the batch: the same whatever the number of threads. Predictions have the
  // nine digits that tell every float from its neighbours. InvalidArgument names an item whose id
  // would break the line.
  absl::Status Rank(const UserBatch& batch, std::string& lines);

 private:
  // Of a thread, for the users of one pass over the items.
  struct Worker {
    model::Scratch contexts[model::kScanContexts];
    model::TopKMemory memories[model::kScanContexts];
    model::ContextQuery queries[model::kScanContexts];
    model::TopK tops[model::kScanContexts];
    absl::Status status;
  };

  Ranker(std::shared_ptr<const model::FoldedCatalogue> folded, const model::KernelTable& kernels,
         const RankOptions& options);
  absl::Status RankUsers(const UserBatch& batch, size_t begin, size_t end, Worker& worker);
  absl::Status WriteUser(const UserBatch& batch, size_t user, const model::TopK& best);

  std::shared_ptr<const model::FoldedCatalogue> folded_;
  model::Scorer scorer_;
  size_t k_;
  std::optional<model::ItemFilter> filter_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::string> lines_;  // per user of a batch
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TOPK_RANKER_H_
