// Tries a new version on recent requests, beside the one that serves.
#ifndef FMSERVE_SERVER_SHADOW_SCORER_H_
#define FMSERVE_SERVER_SHADOW_SCORER_H_

#include "absl/status/statusor.h"
#include "loader/score_comparison.h"
#include "loader/snapshot.h"
#include "model/checkpoint.h"
#include "server/request_decoder.h"
#include "server/request_ring.h"

namespace fmserve::server {

// Answers each request of the ring that came after number `after` with both versions, as Predict
// would, and compares what they say. What the serving version cannot answer (any more) is left out.
// Takes about three times what answering takes, with a checkpoint after each request, whose error
// it returns. Safe from any thread.
absl::StatusOr<loader::Comparison> CompareOnRequests(const RequestRing& ring, uint64_t after,
                                                     const RequestLimits& limits,
                                                     const loader::Snapshot& serving,
                                                     const loader::Snapshot& candidate,
                                                     model::Checkpoint checkpoint);

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_SHADOW_SCORER_H_
