#include "loader/store.h"

#include <utility>

#include "loader/directory_source.h"
#include "loader/s3_source.h"

namespace fmserve::loader {

bool IsS3Store(std::string_view store) { return store.starts_with("s3://"); }

absl::StatusOr<ModelSources> OpenSources(const std::string& store, const std::string& model,
                                         const s3::ClientOptions& options) {
  if (!IsS3Store(store)) {
    return ModelSources{std::make_unique<DirectorySource>(store, model),
                        std::make_unique<DirectorySource>(store, model, Artifact::kCatalogue)};
  }
  const absl::StatusOr<s3::Location> location = s3::ParseUrl(store);
  if (!location.ok()) return location.status();
  absl::StatusOr<std::unique_ptr<s3::Client>> made = s3::Client::Create(location->bucket, options);
  if (!made.ok()) return made.status();
  const std::shared_ptr<s3::Client> client = *std::move(made);
  return ModelSources{std::make_unique<S3Source>(client, *location, model),
                      std::make_unique<S3Source>(client, *location, model, Artifact::kCatalogue)};
}

}  // namespace fmserve::loader
