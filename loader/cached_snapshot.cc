#include "loader/cached_snapshot.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/warmup.h"

namespace fmserve::loader {
namespace {

template <typename Info>
absl::Status CheckIsVersion(const std::string& path, const Info& info, const LoaderOptions& options,
                            uint64_t version) {
  if (info.model_name == options.model && info.version == version) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(path, ": is version ", info.version, " of model '", info.model_name, "'"));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Snapshot>> OpenCachedWeights(const LoaderOptions& options,
                                                                  const Cache& cache,
                                                                  uint64_t version,
                                                                  model::Checkpoint checkpoint) {
  const std::string path = cache.Path(Artifact::kWeights, version);
  absl::StatusOr<std::shared_ptr<const model::WeightFile>> file =
      model::WeightFile::Open(path, checkpoint);
  if (!file.ok()) return file.status();
  absl::Status status = CheckIsVersion(path, (*file)->info(), options, version);
  if (status.ok()) status = Warm(**file, checkpoint);
  if (!status.ok()) return status;
  const auto snapshot = std::make_shared<Snapshot>(*std::move(file), *options.kernels);
  snapshot->MeasureHugePages();
  return snapshot;
}

absl::StatusOr<std::shared_ptr<const model::CatalogueFile>> OpenCachedCatalogue(
    const LoaderOptions& options, const Cache& cache, uint64_t version,
    model::Checkpoint checkpoint) {
  const std::string path = cache.Path(Artifact::kCatalogue, version);
  absl::StatusOr<std::shared_ptr<const model::CatalogueFile>> file =
      model::CatalogueFile::Open(path, checkpoint);
  if (!file.ok()) return file.status();
  absl::Status status = CheckIsVersion(path, (*file)->info(), options, version);
  if (status.ok()) status = Warm(**file, checkpoint);
  if (!status.ok()) return status;
  return file;
}

absl::StatusOr<std::shared_ptr<const Snapshot>> FoldSnapshot(
    const LoaderOptions& options, const Snapshot& weights,
    std::shared_ptr<const model::CatalogueFile> catalogue, model::Checkpoint checkpoint) {
  absl::StatusOr<std::shared_ptr<const model::FoldedCatalogue>> folded =
      model::FoldedCatalogue::Fold(weights.shared_file(), std::move(catalogue), *options.kernels,
                                   checkpoint, options.item_vectors);
  if (!folded.ok()) return folded.status();
  return std::make_shared<const Snapshot>(weights, *std::move(folded));
}

bool IsMisfit(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) || absl::IsInvalidArgument(status);
}

absl::StatusOr<std::shared_ptr<const Snapshot>> OpenCachedPair(const LoaderOptions& options,
                                                               const Cache& cache,
                                                               const Snapshot& serving,
                                                               VersionPair versions,
                                                               model::Checkpoint checkpoint) {
  absl::StatusOr<std::shared_ptr<const Snapshot>> weights =
      versions.weights == serving.version()
          ? std::make_shared<const Snapshot>(serving, nullptr)
          : OpenCachedWeights(options, cache, versions.weights, checkpoint);
  if (!weights.ok() || versions.catalogue == 0) return weights;
  absl::StatusOr<std::shared_ptr<const model::CatalogueFile>> catalogue =
      versions.catalogue == serving.catalogue_version()
          ? serving.shared_catalogue()->shared_file()
          : OpenCachedCatalogue(options, cache, versions.catalogue, checkpoint);
  if (!catalogue.ok()) return catalogue.status();
  return FoldSnapshot(options, **weights, *std::move(catalogue), checkpoint);
}

}  // namespace fmserve::loader
