// The loader's states as operators are told of them.
#ifndef FMSERVE_SERVER_STATUS_MESSAGE_H_
#define FMSERVE_SERVER_STATUS_MESSAGE_H_

#include "fmserve/v1/operator.pb.h"
#include "loader/model_loader.h"
#include "server/served_models.h"

namespace fmserve::server {

void SetModel(const ServedModel& model, bool is_default, v1::Model* out);
void SetVersion(const loader::VersionStatus& version, v1::Version* out);
void SetVersionHistory(const loader::VersionHistory& history, v1::VersionHistory* out);
void SetGateReport(const loader::GateReport& report, v1::GateReport* out);

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_STATUS_MESSAGE_H_
