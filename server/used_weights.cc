#include "server/used_weights.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "model/feature_list.h"
#include "model/quantization.h"
#include "model/weight_format.h"
#include "server/friendly_decoder.h"
#include "server/packed_decoder.h"

namespace fmserve::server {
namespace {

bool Decode(RequestDecoder* decoder, size_t scored_count, model::FeatureList* features) {
  std::vector<uint32_t> lengths;
  const size_t count = std::min(decoder->candidates_count(), scored_count);
  return decoder->Check().ok() && decoder->DecodeContext(features).ok() &&
         decoder->DecodeCandidates(0, count, features, &lengths).ok();
}

template <typename Request>
bool DecodeRequest(const model::FeatureSchema& schema, const RequestLimits& limits,
                   const Request& request, size_t scored_count, model::FeatureList* features) {
  if (request.has_packed()) {
    PackedDecoder decoder(schema, limits, request.packed());
    return Decode(&decoder, scored_count, features);
  }
  FriendlyDecoder decoder(schema, limits, request.features());
  return Decode(&decoder, scored_count, features);
}

void AddRow(const model::RowsView& rows, uint32_t slot, v1::UsedWeights* weights) {
  model::format::RowPrefix prefix;
  std::memcpy(&prefix, rows.row(slot), sizeof(prefix));
  weights->add_keys(prefix.key);
  weights->add_linear(prefix.w);
  const int before = weights->factors_size();
  weights->mutable_factors()->Resize(before + static_cast<int>(rows.k), 0.0F);
  model::DecodeRow(rows.quantization, rows.row(slot),
                   {weights->mutable_factors()->mutable_data() + before, rows.k});
}

}  // namespace

bool FindUsedWeights(const loader::Snapshot& snapshot, const RequestLimits& limits,
                     const v1::PredictionRecord& record, v1::UsedWeights* weights) {
  const model::FeatureSchema& schema = snapshot.schema();
  const model::RowsView& rows = snapshot.file().rows();
  model::FeatureList features;
  const bool decoded = record.has_predict_request()
                           ? DecodeRequest(schema, limits, record.predict_request(),
                                           record.predict_response().scored_count(), &features)
                           : DecodeRequest(schema, limits, record.top_k_request(), 0, &features);
  if (!decoded) return false;
  weights->set_w0(snapshot.file().info().w0);
  weights->set_k(rows.k);
  const size_t row_bytes = sizeof(uint64_t) + (1 + size_t{rows.k}) * sizeof(float);
  absl::flat_hash_set<uint32_t> seen;
  for (size_t i = 0; i < features.size(); ++i) {
    uint32_t slot = snapshot.file().dictionary().Find(features.keys[i]);
    if (slot == model::kNoSlot)
      slot = snapshot.file().dictionary().Find(schema.rare_key(features.fields[i]));
    if (slot == model::kNoSlot || !seen.insert(slot).second) continue;
    if (seen.size() * row_bytes > kMaxUsedWeightsBytes) return false;
    AddRow(rows, slot, weights);
  }
  return true;
}

}  // namespace fmserve::server
