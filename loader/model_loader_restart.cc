// The part of the state machine that serves again what served before a restart.
#include <utility>

#include "loader/model_loader_impl.h"
#include "loader/pacer.h"

namespace fmserve::loader {

void ModelLoader::Impl::ServeFromCache() {
  const std::vector<uint64_t> order = RestartOrder(state_.weights);
  const bool had_no_catalogue =
      state_.weights.serving_version != 0 && state_.catalogue.serving_version == 0;
  const VersionPair previous = {state_.weights.previous_version, state_.catalogue.previous_version};
  state_.weights.serving_version = 0;
  state_.weights.canary_version = 0;  // it begins anew
  for (const uint64_t version : order) {
    const absl::StatusOr<std::shared_ptr<const Snapshot>> weights =
        OpenCachedWeights(options_, *cache_, version, model::NeverStop);
    if (weights.ok()) {
      slot_.Publish(WithCachedCatalogue(*weights, had_no_catalogue));
      state_.weights.serving_version = version;
      EndHold(version);
      serving_since_unix_us_ = UnixMicros();
      Emit(LoaderEvent::Kind::kPublished, version, "", "from the cache, after a start");
      break;
    }
    Emit(LoaderEvent::Kind::kFailed, version, "cache", std::string(weights.status().message()));
    Forget(Artifact::kWeights, version);
  }
  const std::shared_ptr<const Snapshot> serving = slot_.Get();
  state_.catalogue.serving_version = serving == nullptr ? 0 : serving->catalogue_version();
  state_.catalogue.canary_version = 0;
  const VersionPair now = {state_.weights.serving_version, state_.catalogue.serving_version};
  restore_previous_ =
      previous != now && state_.weights.cached.contains(previous.weights) &&
      (previous.catalogue == 0 || state_.catalogue.cached.contains(previous.catalogue));
  if (!restore_previous_) state_.weights.previous_version = state_.catalogue.previous_version = 0;
  Changed();
}

std::shared_ptr<const Snapshot> ModelLoader::Impl::WithCachedCatalogue(
    std::shared_ptr<const Snapshot> weights, bool had_none) {
  if (had_none) return weights;
  for (const uint64_t version : RestartOrder(state_.catalogue)) {
    const auto failed = [&](const absl::Status& status) {
      Emit(LoaderEvent::Kind::kFailed, version, "cache", std::string(status.message()),
           Artifact::kCatalogue);
    };
    absl::StatusOr<std::shared_ptr<const model::CatalogueFile>> catalogue =
        OpenCachedCatalogue(options_, *cache_, version, model::NeverStop);
    if (!catalogue.ok()) {
      failed(catalogue.status());
      Forget(Artifact::kCatalogue, version);
      continue;
    }
    absl::StatusOr<std::shared_ptr<const Snapshot>> pair =
        FoldSnapshot(options_, *weights, *std::move(catalogue), model::NeverStop);
    if (pair.ok()) {
      Emit(LoaderEvent::Kind::kPublished, version, "", "from the cache, after a start",
           Artifact::kCatalogue);
      return *std::move(pair);
    }
    if (!IsMisfit(pair.status())) failed(pair.status());
  }
  return weights;
}

void ModelLoader::Impl::StartRestoringPrevious() {
  restore_previous_ = false;
  const VersionPair versions = {state_.weights.previous_version, state_.catalogue.previous_version};
  worker_->Start([this, versions, serving = slot_.Get()](const std::stop_token& stop) {
    Pacer pacer(stop);
    auto snapshot =
        OpenCachedPair(options_, *cache_, *serving, versions, [&pacer] { return pacer.Step(); });
    return [this, versions, snapshot = std::move(snapshot)] {
      const VersionPair wanted = {state_.weights.previous_version,
                                  state_.catalogue.previous_version};
      if (wanted != versions || slot_.Previous() != nullptr) return;
      if (snapshot.ok() && slot_.RestorePrevious(*snapshot)) return;
      if (absl::IsCancelled(snapshot.status())) {  // a pin that came in between is first
        restore_previous_ = true;
        return;
      }
      state_.weights.previous_version = state_.catalogue.previous_version = 0;
      Changed();
    };
  });
}

}  // namespace fmserve::loader
