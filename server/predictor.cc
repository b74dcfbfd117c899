#include "server/predictor.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>
#include <span>

#include "absl/strings/str_cat.h"
#include "server/friendly_decoder.h"
#include "server/packed_decoder.h"

namespace fmserve::server {
namespace {

constexpr float kNotScored = std::numeric_limits<float>::quiet_NaN();

size_t CountOf(const v1::ItemIds& items) {
  return static_cast<size_t>(items.integers_size()) + static_cast<size_t>(items.strings_size());
}

// `lists_count` candidates come with features.
absl::Status CheckItems(const loader::Snapshot& snapshot, const RequestLimits& limits,
                        const v1::PredictRequest& request, size_t lists_count) {
  if (!request.has_items()) return absl::OkStatus();
  if (snapshot.catalogue() == nullptr)
    return absl::FailedPreconditionError("items: the model has no catalogue");
  const v1::ItemIds& items = request.items();
  const bool integers = snapshot.catalogue()->file().ids().type() == model::IdType::kInteger;
  if (integers ? !items.strings().empty() : !items.integers().empty()) {
    return absl::InvalidArgumentError(integers ? "items.strings: the catalogue's ids are integers"
                                               : "items.integers: the catalogue's ids are strings");
  }
  const size_t count = lists_count + CountOf(items);
  if (count <= limits.max_candidates) return absl::OkStatus();
  return LimitError("items", count, "candidates together with those that have features",
                    limits.max_candidates);
}

// Numbers of the items [first, first + scratch->found.size()).
void FindItems(const model::FoldedCatalogue& catalogue, const v1::ItemIds& items, size_t first,
               ItemsScratch* scratch) {
  const size_t count = scratch->found.size();
  if (items.strings().empty()) {
    catalogue.Find(std::span(items.integers().data() + first, count), scratch->found);
    return;
  }
  const auto begin = items.strings().begin() + static_cast<int>(first);
  scratch->texts.assign(begin, begin + static_cast<int>(count));
  catalogue.Find(scratch->texts, scratch->found);
}

// Scores items [first, first + predictions.size()); leaves those that the catalogue does not have.
// Returns how many these are.
size_t PredictItems(const loader::Snapshot& snapshot, const v1::ItemIds& items, size_t first,
                    std::span<float> predictions, PredictScratch* request_scratch) {
  ItemsScratch& scratch = request_scratch->items;
  const model::FoldedCatalogue& catalogue = *snapshot.catalogue();
  scratch.found.resize(predictions.size());
  FindItems(catalogue, items, first, &scratch);
  scratch.known.clear();
  scratch.positions.clear();
  for (size_t i = 0; i < predictions.size(); ++i) {
    if (scratch.found[i] == model::kNoItem) continue;
    scratch.known.push_back(scratch.found[i]);
    scratch.positions.push_back(static_cast<uint32_t>(i));
  }
  scratch.scores.resize(scratch.known.size());
  catalogue.Score(scratch.known, request_scratch->scorer, scratch.scores);
  for (size_t i = 0; i < scratch.known.size(); ++i) {
    predictions[scratch.positions[i]] =
        static_cast<float>(snapshot.scorer().Predict(scratch.scores[i]));
  }
  return predictions.size() - scratch.known.size();
}

// Scores candidates [first, first + predictions.size()).
absl::Status PredictChunk(const loader::Snapshot& snapshot, size_t first,
                          std::span<float> predictions, RequestDecoder* decoder,
                          PredictScratch* scratch) {
  scratch->candidates.Clear();
  scratch->lengths.clear();
  absl::Status status =
      decoder->DecodeCandidates(first, predictions.size(), &scratch->candidates, &scratch->lengths);
  if (!status.ok()) return status;
  const model::Scorer& scorer = snapshot.scorer();
  scorer.ScoreCandidates(scratch->candidates.view(), scratch->lengths, scratch->scorer,
                         predictions);
  for (float& value : predictions) value = static_cast<float>(scorer.Predict(value));
  return absl::OkStatus();
}

// Those with features first, then items, until the time is over.
absl::Status PredictCandidates(const loader::Snapshot& snapshot, const RequestBudget& budget,
                               const v1::PredictRequest& request, RequestDecoder* decoder,
                               PredictScratch* scratch, v1::PredictResponse* response) {
  const size_t lists_count = decoder->candidates_count();
  const size_t count = lists_count + CountOf(request.items());
  response->mutable_predictions()->Resize(static_cast<int>(count), kNotScored);
  const std::span<float> predictions(response->mutable_predictions()->mutable_data(), count);
  size_t scored = 0;
  size_t unknown_items = 0;
  while (scored < count && !budget.Exhausted()) {
    const size_t end = scored < lists_count ? lists_count : count;
    const auto chunk = predictions.subspan(scored, std::min(kChunkCandidates, end - scored));
    if (scored < lists_count) {
      absl::Status status = PredictChunk(snapshot, scored, chunk, decoder, scratch);
      if (!status.ok()) return status;
    } else {
      unknown_items +=
          PredictItems(snapshot, request.items(), scored - lists_count, chunk, scratch);
    }
    scored += chunk.size();
  }
  response->set_scored_count(static_cast<uint32_t>(scored));
  response->set_unknown_items_count(static_cast<uint32_t>(unknown_items));
  if (scored < count) response->set_incomplete(v1::INCOMPLETE_DEADLINE_EXCEEDED);
  return absl::OkStatus();
}

absl::Status PredictAll(const loader::Snapshot& snapshot, const RequestLimits& limits,
                        const RequestBudget& budget, const v1::PredictRequest& request,
                        RequestDecoder* decoder, PredictScratch* scratch,
                        v1::PredictResponse* response) {
  if (absl::Status status = decoder->Check(); !status.ok()) return status;
  absl::Status status = CheckItems(snapshot, limits, request, decoder->candidates_count());
  if (!status.ok()) return status;
  if (request.has_items())
    response->set_catalogue_version(snapshot.catalogue()->file().info().version);
  scratch->scorer.ResetUnknown();
  scratch->context.Clear();
  if (status = decoder->DecodeContext(&scratch->context); !status.ok()) return status;
  snapshot.scorer().ScoreContext(scratch->context.view(), scratch->scorer);
  status = PredictCandidates(snapshot, budget, request, decoder, scratch, response);
  const auto unknown = scratch->scorer.unknown_by_field();
  response->set_unknown_features_count(
      std::accumulate(unknown.begin(), unknown.end(), uint32_t{0}));
  return status;
}

absl::Status DecodeAndPredict(const loader::Snapshot& snapshot, const RequestLimits& limits,
                              const RequestBudget& budget, const v1::PredictRequest& request,
                              PredictScratch* scratch, v1::PredictResponse* response) {
  if (request.has_features() == request.has_packed()) {
    return absl::InvalidArgumentError(
        "features, packed: exactly one of the two forms has to be set");
  }
  if (request.has_packed()) {
    PackedDecoder decoder(snapshot.schema(), limits, request.packed());
    return PredictAll(snapshot, limits, budget, request, &decoder, scratch, response);
  }
  FriendlyDecoder decoder(snapshot.schema(), limits, request.features());
  return PredictAll(snapshot, limits, budget, request, &decoder, scratch, response);
}

absl::Status OutOfTime(const RequestBudget& budget) {
  const double total_ms = std::chrono::duration<double, std::milli>(budget.Total()).count();
  return absl::DeadlineExceededError(absl::StrCat(
      "the ", total_ms, " ms of this request were over before any candidate was scored"));
}

}  // namespace

absl::Status Predict(const loader::Snapshot& snapshot, const RequestLimits& limits,
                     const RequestBudget& budget, const v1::PredictRequest& request,
                     PredictScratch* scratch, v1::PredictResponse* response) {
  response->set_version(snapshot.version());
  if (budget.Exhausted()) return OutOfTime(budget);
  absl::Status status = DecodeAndPredict(snapshot, limits, budget, request, scratch, response);
  if (!status.ok()) return status;
  return response->scored_count() == 0 && response->incomplete() == v1::INCOMPLETE_DEADLINE_EXCEEDED
             ? OutOfTime(budget)
             : status;
}

}  // namespace fmserve::server
