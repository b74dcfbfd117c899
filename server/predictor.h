// A prediction from beginning to end, without the network: decode, score, calibrate, in chunks
// between which the clock is read.
#ifndef FMSERVE_SERVER_PREDICTOR_H_
#define FMSERVE_SERVER_PREDICTOR_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "fmserve/v1/prediction.pb.h"
#include "loader/snapshot.h"
#include "model/feature_list.h"
#include "model/scorer.h"
#include "server/request_budget.h"
#include "server/request_decoder.h"

namespace fmserve::server {

// Between two looks at the clock: some 50 us of work for candidates of ten features, a fraction of
// the usual budget, and long enough for the reads of rows ahead (DictionaryLookup) to pay.
inline constexpr size_t kChunkCandidates = 256;

struct ItemsScratch {
  std::vector<std::string_view> texts;
  std::vector<uint32_t> found;      // per id
  std::vector<uint32_t> known;      // those that were found, without gaps
  std::vector<uint32_t> positions;  // where in the chunk they stand
  std::vector<float> scores;
};

// Memory of one request, used again for the next one. One thread at a time.
struct PredictScratch {
  model::Scratch scorer;
  model::FeatureList context;
  model::FeatureList candidates;  // of one chunk
  std::vector<uint32_t> lengths;  // of one chunk
  ItemsScratch items;             // of one chunk
};

// Fills in all of `response` but model and request_id. When the budget runs out after some
// candidates were scored, the response says so; before the first, DeadlineExceeded. InvalidArgument
// names what is wrong with the request. Safe from any thread with its own scratch; allocates
// nothing once scratch and response have seen such a request.
absl::Status Predict(const loader::Snapshot& snapshot, const RequestLimits& limits,
                     const RequestBudget& budget, const v1::PredictRequest& request,
                     PredictScratch* scratch, v1::PredictResponse* response);

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_PREDICTOR_H_
