#include "tools/log/record_json.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace fmserve::tools {
namespace {

using v1::PackedFeatures;

Json NumberOrNull(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

std::string KeyText(uint64_t key) { return absl::StrFormat("0x%016x", key); }

Json FeatureJson(const v1::Feature& feature) {
  Json json = {{"field", feature.field()}};
  for (const std::string& value : feature.strings()) json["strings"].push_back(value);
  for (const int64_t value : feature.integers()) json["integers"].push_back(value);
  for (const double value : feature.numbers()) json["numbers"].push_back(NumberOrNull(value));
  for (const float value : feature.weights()) json["weights"].push_back(NumberOrNull(value));
  return json;
}

Json FeaturesJson(const google::protobuf::RepeatedPtrField<v1::Feature>& features) {
  Json json = Json::array();
  for (const v1::Feature& feature : features) json.push_back(FeatureJson(feature));
  return json;
}

// Features [first, first + count) of the columns.
Json PackedJson(const PackedFeatures& packed, size_t first, size_t count,
                const std::vector<std::string>& field_names) {
  Json json = Json::array();
  const size_t end = std::min(first + count, packed.fields().size());
  for (size_t i = first; i < end && i < static_cast<size_t>(packed.keys_size()); ++i) {
    const auto field = static_cast<uint8_t>(packed.fields()[i]);
    Json feature = Json::object();
    feature["field"] = field < field_names.size() ? Json(field_names[field]) : Json(field);
    feature["key"] = KeyText(packed.keys(static_cast<int>(i)));
    if (i < static_cast<size_t>(packed.values_size()))
      feature["value"] = NumberOrNull(packed.values(static_cast<int>(i)));
    json.push_back(std::move(feature));
  }
  return json;
}

template <typename Request>
Json ContextJson(const Request& request, const std::vector<std::string>& field_names) {
  if (!request.has_packed()) return FeaturesJson(request.features().context());
  return PackedJson(request.packed(), 0, request.packed().context_length(), field_names);
}

Json ItemJson(const v1::ItemIds& items, int i) {
  return i < items.integers_size() ? Json(items.integers(i)) : Json(items.strings(i));
}

int IdsCount(const v1::ItemIds& items) { return items.integers_size() + items.strings_size(); }

// One per prediction: features or id of each, in the order of the request.
Json CandidatesJson(const v1::PredictRequest& request, const v1::PredictResponse& response,
                    const std::vector<std::string>& field_names) {
  Json candidates = Json::array();
  const PackedFeatures& packed = request.packed();
  size_t begin = packed.context_length();
  const int lists_count =
      request.has_packed() ? packed.candidate_lengths_size() : request.features().candidates_size();
  for (int i = 0; i < response.predictions_size(); ++i) {
    Json candidate = {{"position", i}, {"prediction", NumberOrNull(response.predictions(i))}};
    if (i >= lists_count) {
      if (i - lists_count < IdsCount(request.items()))
        candidate["item"] = ItemJson(request.items(), i - lists_count);
    } else if (request.has_packed()) {
      candidate["features"] = PackedJson(packed, begin, packed.candidate_lengths(i), field_names);
      begin += packed.candidate_lengths(i);
    } else {
      candidate["features"] = FeaturesJson(request.features().candidates(i).features());
    }
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

Json WeightsJson(const v1::UsedWeights& weights) {
  Json rows = Json::array();
  const auto k = static_cast<int>(weights.k());
  for (int i = 0; i < std::min(weights.keys_size(), weights.linear_size()); ++i) {
    Json factors = Json::array();
    for (int f = i * k; f < std::min((i + 1) * k, weights.factors_size()); ++f)
      factors.push_back(weights.factors(f));
    rows.push_back({{"key", KeyText(weights.keys(i))},
                    {"linear", weights.linear(i)},
                    {"factors", std::move(factors)}});
  }
  return {{"w0", weights.w0()}, {"rows", std::move(rows)}};
}

std::string TimeText(uint64_t unix_us) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ",
                          absl::FromUnixMicros(static_cast<int64_t>(unix_us)), absl::UTCTimeZone());
}

template <typename Response>
void AddAnswer(const Response& response, Json* json) {
  (*json)["model"] = response.model();
  (*json)["version"] = response.version();
  (*json)["catalogue_version"] = response.catalogue_version();
  (*json)["request_id"] = response.request_id();
  (*json)["unknown_features_count"] = response.unknown_features_count();
  (*json)["incomplete"] = response.incomplete() != v1::INCOMPLETE_UNSPECIFIED;
}

}  // namespace

Json RecordJson(const v1::PredictionRecord& record, const std::vector<std::string>& field_names) {
  Json json = {{"time", TimeText(record.time_unix_us())}};
  if (record.has_top_k_response()) {
    const v1::TopKResponse& response = record.top_k_response();
    json["call"] = "top_k";
    AddAnswer(response, &json);
    json["k"] = record.top_k_request().k();
    if (record.top_k_request().has_filter()) {
      std::string filter;
      if (google::protobuf::util::MessageToJsonString(record.top_k_request().filter(), &filter)
              .ok())
        json["filter"] = Json::parse(filter, nullptr, false);
    }
    json["context"] = ContextJson(record.top_k_request(), field_names);
    Json candidates = Json::array();
    for (int i = 0; i < std::min(response.predictions_size(), IdsCount(response.ids())); ++i) {
      candidates.push_back({{"position", i},
                            {"prediction", NumberOrNull(response.predictions(i))},
                            {"item", ItemJson(response.ids(), i)}});
    }
    json["candidates"] = std::move(candidates);
  } else {
    const v1::PredictResponse& response = record.predict_response();
    json["call"] = "predict";
    AddAnswer(response, &json);
    json["scored_count"] = response.scored_count();
    json["context"] = ContextJson(record.predict_request(), field_names);
    json["candidates"] = CandidatesJson(record.predict_request(), response, field_names);
  }
  if (record.has_weights()) json["weights"] = WeightsJson(record.weights());
  return json;
}

}  // namespace fmserve::tools
