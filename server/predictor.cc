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

absl::Status PredictAll(const loader::Snapshot& snapshot, const RequestBudget& budget,
                        RequestDecoder* decoder, PredictScratch* scratch,
                        v1::PredictResponse* response) {
  if (absl::Status status = decoder->Check(); !status.ok()) return status;
  scratch->scorer.ResetUnknown();
  scratch->context.Clear();
  if (absl::Status status = decoder->DecodeContext(&scratch->context); !status.ok()) return status;
  snapshot.scorer().ScoreContext(scratch->context.view(), scratch->scorer);

  const size_t count = decoder->candidates_count();
  response->mutable_predictions()->Resize(static_cast<int>(count), kNotScored);
  const std::span<float> predictions(response->mutable_predictions()->mutable_data(), count);
  size_t scored = 0;
  while (scored < count && !budget.Exhausted()) {
    const auto chunk = predictions.subspan(scored, std::min(kChunkCandidates, count - scored));
    if (absl::Status status = PredictChunk(snapshot, scored, chunk, decoder, scratch); !status.ok())
      return status;
    scored += chunk.size();
  }
  response->set_scored_count(static_cast<uint32_t>(scored));
  if (scored < count) response->set_incomplete(v1::INCOMPLETE_DEADLINE_EXCEEDED);
  const auto unknown = scratch->scorer.unknown_by_field();
  response->set_unknown_features_count(
      std::accumulate(unknown.begin(), unknown.end(), uint32_t{0}));
  return absl::OkStatus();
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
    return PredictAll(snapshot, budget, &decoder, scratch, response);
  }
  FriendlyDecoder decoder(snapshot.schema(), limits, request.features());
  return PredictAll(snapshot, budget, &decoder, scratch, response);
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
