// Options that say how stores in S3 are reached.
#ifndef FMSERVE_TOOLS_S3_OPTIONS_H_
#define FMSERVE_TOOLS_S3_OPTIONS_H_

#include "s3/client.h"

namespace CLI {
class App;
}

namespace fmserve::tools {

// What is not given is found where the AWS tools find it. `options` must outlive the parsing.
void AddS3Options(CLI::App& command, s3::ClientOptions& options);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_S3_OPTIONS_H_
