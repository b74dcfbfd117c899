#include "server/call_pool.h"

#include <cstdint>

namespace fmserve::server {
namespace {

// The most messages or column elements that a call may hold to be kept.
constexpr int kMaxKeptElements = 1 << 15;

// The features of the friendly form are estimated from the first candidate: counting them all costs
// more than it saves.
bool IsLarge(const v1::Features& features) {
  const int per_candidate =
      features.candidates().empty() ? 0 : features.candidates(0).features_size();
  return features.context_size() > kMaxKeptElements ||
         int64_t{features.candidates_size()} * (1 + per_candidate) > kMaxKeptElements;
}

}  // namespace

bool AreLarge(const v1::PredictRequest& request, const v1::PredictResponse& response) {
  return IsLarge(request.features()) || request.packed().keys_size() > kMaxKeptElements ||
         response.predictions_size() > kMaxKeptElements ||
         request.items().strings_size() > kMaxKeptElements;
}

// The filter is a oneof: clearing frees it.
bool AreLarge(const v1::TopKRequest& request, const v1::TopKResponse&) {
  return IsLarge(request.features()) || request.packed().keys_size() > kMaxKeptElements;
}

}  // namespace fmserve::server
