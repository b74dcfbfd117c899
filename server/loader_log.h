// Log lines that others cause: the loaders, and gRPC itself.
#ifndef FMSERVE_SERVER_LOADER_LOG_H_
#define FMSERVE_SERVER_LOADER_LOG_H_

#include "loader/model_loader.h"

namespace fmserve::server {

// Events: version_published, version_rejected, version_rolled_back, version_pinned,
// version_unpinned, version_held, version_approved, load_failed, load_recovered.
void LogLoaderEvent(const loader::LoaderEvent& event);

// Sends what gRPC logs, which is for the whole process, through Log() as event "grpc", at most 10
// lines a second.
void RedirectGrpcLog();

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_LOADER_LOG_H_
