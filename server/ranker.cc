#include "server/ranker.h"

#include <chrono>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "server/friendly_decoder.h"
#include "server/packed_decoder.h"

namespace fmserve::server {
namespace {

absl::Status CheckTopK(const loader::Snapshot& snapshot, const v1::TopKRequest& request) {
  if (snapshot.catalogue() == nullptr) {
    return absl::FailedPreconditionError(
        "the model has no catalogue; publish one with `fm catalogue publish`");
  }
  if (request.k() == 0 || request.k() > model::kMaxTopK) {
    return absl::InvalidArgumentError(
        absl::StrCat("k: ", request.k(), "; 1 to ", model::kMaxTopK, " are allowed"));
  }
  if (request.has_features() == request.has_packed()) {
    return absl::InvalidArgumentError(
        "features, packed: exactly one of the two forms has to be set");
  }
  return absl::OkStatus();
}

absl::Status ScoreContext(const loader::Snapshot& snapshot, RequestDecoder* decoder,
                          TopKScratch* scratch) {
  if (decoder->candidates_count() != 0) {
    return absl::InvalidArgumentError(
        "features, packed: a TopK request has no candidates; the catalogue's items are");
  }
  if (absl::Status status = decoder->Check(); !status.ok()) return status;
  scratch->scorer.ResetUnknown();
  scratch->context.Clear();
  if (absl::Status status = decoder->DecodeContext(&scratch->context); !status.ok()) return status;
  snapshot.scorer().ScoreContext(scratch->context.view(), scratch->scorer);
  return absl::OkStatus();
}

absl::Status ScoreContextOf(const loader::Snapshot& snapshot, const RequestLimits& limits,
                            const v1::TopKRequest& request, TopKScratch* scratch) {
  if (request.has_packed()) {
    PackedDecoder decoder(snapshot.schema(), limits, request.packed());
    return ScoreContext(snapshot, &decoder, scratch);
  }
  FriendlyDecoder decoder(snapshot.schema(), limits, request.features());
  return ScoreContext(snapshot, &decoder, scratch);
}

void AppendItems(const loader::Snapshot& snapshot, const model::TopK& best,
                 v1::TopKResponse* response) {
  const model::CatalogueFile& catalogue = snapshot.catalogue()->file();
  const bool integers = catalogue.ids().type() == model::IdType::kInteger;
  for (const model::RankedItem& ranked : best.items) {
    if (integers) {
      response->mutable_ids()->add_integers(catalogue.ids().integer(ranked.item));
    } else {
      const std::string_view id = catalogue.ids().text(ranked.item);
      response->mutable_ids()->add_strings(id.data(), id.size());
    }
    const double prediction = snapshot.scorer().Predict(static_cast<float>(ranked.score));
    response->add_predictions(static_cast<float>(prediction));
    if (!catalogue.bids().empty()) response->add_bids(catalogue.bids()[ranked.item]);
  }
}

absl::Status TopKOutOfTime(const RequestBudget& budget) {
  const double total_ms = std::chrono::duration<double, std::milli>(budget.Total()).count();
  return absl::DeadlineExceededError(absl::StrCat(
      "the ", total_ms, " ms of this request were over before any item was looked at"));
}

}  // namespace

absl::Status TopK(const loader::Snapshot& snapshot, const RequestLimits& limits,
                  const RequestBudget& budget, const v1::TopKRequest& request, TopKScratch* scratch,
                  v1::TopKResponse* response) {
  response->set_version(snapshot.version());
  if (budget.Exhausted()) return TopKOutOfTime(budget);
  if (absl::Status status = CheckTopK(snapshot, request); !status.ok()) return status;
  const model::FoldedCatalogue& catalogue = *snapshot.catalogue();
  response->set_catalogue_version(catalogue.file().info().version);
  response->set_items_count(catalogue.file().size());
  absl::Status status = ScoreContextOf(snapshot, limits, request, scratch);
  if (status.ok() && request.has_filter())
    status = DecodeFilter(catalogue, request.filter(), &scratch->filter);
  if (!status.ok()) return status;

  const model::ItemFilter* filter = request.has_filter() ? &scratch->filter.filter : nullptr;
  const model::TopK best = catalogue.Best(
      scratch->scorer, request.k(), filter, [&budget] { return !budget.Exhausted(); },
      scratch->scan);
  const bool complete = best.covered_items == catalogue.file().size();
  if (!complete && best.covered_items == 0) return TopKOutOfTime(budget);
  AppendItems(snapshot, best, response);
  response->set_covered_items_count(best.covered_items);
  if (!complete) response->set_incomplete(v1::INCOMPLETE_DEADLINE_EXCEEDED);
  const auto unknown = scratch->scorer.unknown_by_field();
  response->set_unknown_features_count(
      std::accumulate(unknown.begin(), unknown.end(), uint32_t{0}));
  return absl::OkStatus();
}

}  // namespace fmserve::server
