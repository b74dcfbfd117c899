// Gates that judge a version by what its trainer wrote down. Internal to loader/gate.cc.
#ifndef FMSERVE_LOADER_GATES_OF_METADATA_H_
#define FMSERVE_LOADER_GATES_OF_METADATA_H_

#include "loader/gate.h"

namespace fmserve::loader {

// "metric": the loss and the calibration on the trainer's validation data, against those of the
// version that serves. The loss is the normalized entropy where both files have it, which takes the
// share of clicks of different days out, else the logloss, else the RMSE. What one of the two does
// not tell is not compared.
GateResult MetricGate(const GateOptions& options, const GateInput& input);

// "age": whether the file was made before the one that serves.
GateResult CreatedGate(const GateOptions& options, const GateInput& input);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_GATES_OF_METADATA_H_
