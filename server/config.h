// fmserve.yaml: read, checked, and complete with defaults. The schema is
// proto/fmserve/v1/config.proto.
#ifndef FMSERVE_SERVER_CONFIG_H_
#define FMSERVE_SERVER_CONFIG_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "fmserve/v1/config.pb.h"

namespace fmserve::server {

// The configuration in `text` with every default filled in. InvalidArgument lists all that is
// wrong, one line each:
// "<name>:<line>: <key>: <what, and what would be right>".
absl::StatusOr<v1::ServerConfig> ParseConfig(const std::string& text, absl::string_view name);

// ParseConfig of a file; NotFound or another code when it cannot be read.
absl::StatusOr<v1::ServerConfig> LoadConfig(const std::string& path);

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_CONFIG_H_
