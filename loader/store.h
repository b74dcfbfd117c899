// Which kind of store a name means: a folder, or s3://bucket/prefix.
#ifndef FMSERVE_LOADER_STORE_H_
#define FMSERVE_LOADER_STORE_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "loader/source.h"
#include "s3/client.h"

namespace fmserve::loader {

bool IsS3Store(std::string_view store);  // "s3://…"

struct ModelSources {
  std::unique_ptr<Source> weights;
  std::unique_ptr<Source> catalogues;
};

// `options` are for a store in S3 alone. InvalidArgument names a bad URL or option; a store is not
// looked at before it is polled.
absl::StatusOr<ModelSources> OpenSources(const std::string& store, const std::string& model,
                                         const s3::ClientOptions& options);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_STORE_H_
