#include "server/shadow_scorer.h"

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fmserve/v1/prediction.pb.h"
#include "server/friendly_decoder.h"
#include "server/packed_decoder.h"
#include "server/predictor.h"

namespace fmserve::server {
namespace {

using FieldCounts = std::array<uint64_t, model::kMaxFields>;

// Answers requests with one version, and counts what that does not know.
class Answerer {
 public:
  Answerer(const loader::Snapshot& snapshot, const RequestLimits& limits)
      : snapshot_(snapshot), limits_(limits) {}

  // False when this version cannot answer it.
  bool Answer(const v1::PredictRequest& request) {
    response_.Clear();
    const RequestBudget no_limit(SystemClock(), {}, Clock::TimePoint::max());
    return Predict(snapshot_, limits_, no_limit, request, &scratch_, &response_).ok();
  }

  std::span<const float> predictions() const {
    return {response_.predictions().data(), static_cast<size_t>(response_.predictions_size())};
  }

  // Of the last answer.
  void CountUnknown() {
    const std::span<const uint32_t> unknown = scratch_.scorer.unknown_by_field();
    for (size_t i = 0; i < unknown.size(); ++i) unknown_[i] += unknown[i];
  }

  const FieldCounts& unknown() const { return unknown_; }

 private:
  const loader::Snapshot& snapshot_;
  const RequestLimits& limits_;
  PredictScratch scratch_;
  v1::PredictResponse response_;
  FieldCounts unknown_ = {};
};

// Counts the features of requests by field.
class FeatureCounter {
 public:
  FeatureCounter(const model::FeatureSchema& schema, const RequestLimits& limits)
      : schema_(schema), limits_(limits) {}

  // One that can be answered.
  void Count(const v1::PredictRequest& request) {
    features_.Clear();
    lengths_.clear();
    if (request.has_packed()) {
      PackedDecoder decoder(schema_, limits_, request.packed());
      Decode(decoder);
    } else {
      FriendlyDecoder decoder(schema_, limits_, request.features());
      Decode(decoder);
    }
    for (const uint8_t field : features_.fields) ++counts_[field];
  }

  const FieldCounts& counts() const { return counts_; }

 private:
  void Decode(RequestDecoder& decoder) {
    if (!decoder.DecodeContext(&features_).ok()) return;
    decoder.DecodeCandidates(0, decoder.candidates_count(), &features_, &lengths_).IgnoreError();
  }

  const model::FeatureSchema& schema_;
  const RequestLimits& limits_;
  model::FeatureList features_;
  std::vector<uint32_t> lengths_;
  FieldCounts counts_ = {};
};

}  // namespace

absl::StatusOr<loader::Comparison> CompareOnRequests(const RequestRing& ring, uint64_t after,
                                                     const RequestLimits& limits,
                                                     const loader::Snapshot& serving,
                                                     const loader::Snapshot& candidate,
                                                     model::Checkpoint checkpoint) {
  loader::ScoreComparison comparison(serving.file().info().link == model::Link::kSigmoid);
  Answerer old_version(serving, limits);
  Answerer new_version(candidate, limits);
  FeatureCounter features(serving.schema(), limits);
  // Two catalogues do not hold the same items: what differs then is not for the weights to answer.
  const bool same_catalogue = serving.catalogue_version() == candidate.catalogue_version();
  v1::PredictRequest request;
  for (const std::shared_ptr<const std::string>& bytes : ring.Requests(after)) {
    if (absl::Status status = checkpoint(); !status.ok()) return status;
    if (!request.ParseFromString(*bytes)) continue;
    if (!same_catalogue) request.clear_items();
    if (!old_version.Answer(request)) continue;
    if (!new_version.Answer(request)) {
      comparison.AddFailedRequest();
      continue;
    }
    comparison.AddRequest(old_version.predictions(), new_version.predictions());
    old_version.CountUnknown();
    new_version.CountUnknown();
    features.Count(request);
  }
  for (size_t i = 0; i < serving.schema().size(); ++i) {
    comparison.SetUnknown(serving.schema().field(i).name, features.counts()[i],
                          old_version.unknown()[i], new_version.unknown()[i]);
  }
  return comparison.Finish();
}

}  // namespace fmserve::server
