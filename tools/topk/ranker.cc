#include "tools/topk/ranker.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <span>
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

// At most kScanContexts users, in one pass.
absl::Status Ranker::RankUsers(const UserBatch& batch, size_t begin, size_t end, Worker& worker) {
  const size_t count = end - begin;
  for (size_t i = 0; i < count; ++i) {
    scorer_.ScoreContext(batch.context(begin + i), worker.contexts[i]);
    worker.queries[i] = {
        .context = &worker.contexts[i], .k = k_, .filter = filter_ ? &*filter_ : nullptr};
  }
  folded_->BestOfEach(
      std::span(worker.queries).first(count), [](size_t) { return true; },
      std::span(worker.memories).first(count), std::span(worker.tops).first(count));
  for (size_t i = 0; i < count; ++i) {
    const absl::Status status = WriteUser(batch, begin + i, worker.tops[i]);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Ranker::WriteUser(const UserBatch& batch, size_t user, const model::TopK& best) {
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
  // Few users are spread over all threads first.
  const size_t share = (users + workers_.size() - 1) / workers_.size();
  const size_t step = std::clamp(share, size_t{1}, model::kScanContexts);
  std::atomic<size_t> next = 0;
  const auto work = [&](Worker& worker) {
    for (size_t begin = next.fetch_add(step); begin < users && worker.status.ok();
         begin = next.fetch_add(step)) {
      worker.status = RankUsers(batch, begin, std::min(begin + step, users), worker);
    }
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
