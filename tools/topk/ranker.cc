#include "tools/topk/ranker.h"

#include <atomic>
#include <functional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace fmserve::tools {

absl::StatusOr<std::unique_ptr<Ranker>> Ranker::Create(
    std::shared_ptr<const model::WeightFile> weights,
    std::shared_ptr<const model::CatalogueFile> catalogue, const RankOptions& options) {
  const absl::StatusOr<const model::KernelTable*> kernels = model::DefaultKernels();
  if (!kernels.ok()) return kernels.status();
  auto folded = model::FoldedCatalogue::Fold(std::move(weights), std::move(catalogue), **kernels);
  if (!folded.ok()) return folded.status();
  std::unique_ptr<Ranker> ranker(new Ranker(*std::move(folded), **kernels, options));
  if (!options.filter.empty()) {
    const absl::Status status =
        ApplyFilter(options.filter, *ranker->folded_, ranker->filter_.emplace());
    if (!status.ok()) return status;
  }
  return ranker;
}

Ranker::Ranker(std::shared_ptr<const model::FoldedCatalogue> folded,
               const model::KernelTable& kernels, const RankOptions& options)
    : folded_(std::move(folded)), scorer_(folded_->weights(), kernels), k_(options.k) {
  for (size_t i = 0; i < options.threads; ++i) workers_.push_back(std::make_unique<Worker>());
}

uint32_t Ranker::items_count() const {
  return filter_ ? filter_->CountItems() : folded_->file().size();
}

absl::Status Ranker::RankUser(const UserBatch& batch, size_t user, Worker& worker) {
  scorer_.ScoreContext(batch.context(user), worker.scratch);
  const model::ItemFilter* filter = filter_ ? &*filter_ : nullptr;
  const model::TopK best = folded_->Best(
      worker.scratch, k_, filter, [] { return true; }, worker.memory);
  const model::ItemIds& ids = folded_->file().ids();
  std::string& lines = lines_[user];
  lines.clear();
  size_t rank = 0;
  for (const model::RankedItem& item : best.items) {
    absl::StrAppend(&lines, batch.users[user], "\t", ++rank, "\t");
    if (ids.type() == model::IdType::kInteger) {
      absl::StrAppend(&lines, ids.integer(item.item));
    } else {
      const std::string_view id = ids.text(item.item);
      if (id.find_first_of("\t\r\n") != std::string_view::npos) {
        return absl::InvalidArgumentError(absl::StrCat("the item ", ids.ToString(item.item),
                                                       " has a tab or a line break in its id"));
      }
      lines.append(id);
    }
    absl::StrAppendFormat(&lines, "\t%.9g\n",
                          static_cast<float>(scorer_.Predict(static_cast<float>(item.score))));
  }
  return absl::OkStatus();
}

absl::Status Ranker::Rank(const UserBatch& batch, std::string& lines) {
  const size_t users = batch.users.size();
  if (lines_.size() < users) lines_.resize(users);
  std::atomic<size_t> next = 0;
  const auto work = [&](Worker& worker) {
    for (size_t user = next++; user < users && worker.status.ok(); user = next++)
      worker.status = RankUser(batch, user, worker);
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < workers_.size(); ++i) threads.emplace_back(work, std::ref(*workers_[i]));
  work(*workers_[0]);
  for (std::thread& thread : threads) thread.join();
  for (const std::unique_ptr<Worker>& worker : workers_) {
    if (!worker->status.ok()) return worker->status;
  }
  for (size_t user = 0; user < users; ++user) lines += lines_[user];
  return absl::OkStatus();
}

}  // namespace fmserve::tools
