// The rows of the weights that a request was answered with, for the prediction log.
#ifndef FMSERVE_SERVER_USED_WEIGHTS_H_
#define FMSERVE_SERVER_USED_WEIGHTS_H_

#include <cstddef>

#include "fmserve/v1/log.pb.h"
#include "loader/snapshot.h"
#include "server/request_decoder.h"

namespace fmserve::server {

// More are not logged.
inline constexpr size_t kMaxUsedWeightsBytes = size_t{16} << 20;

// The rows for the context and the scored candidates that came with features, each once, in the
// order of the features; items of a catalogue have none. False, and `weights` is of no use, when
// there are too many or the record holds no request that `snapshot` can read.
bool FindUsedWeights(const loader::Snapshot& snapshot, const RequestLimits& limits,
                     const v1::PredictionRecord& record, v1::UsedWeights* weights);

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_USED_WEIGHTS_H_
