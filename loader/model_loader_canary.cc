// The part of the state machine for a version that answers a share of the requests before all.
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/model_loader_impl.h"

namespace fmserve::loader {
namespace {

using Kind = LoaderEvent::Kind;

constexpr std::chrono::milliseconds kCanarySavePatience{1000};

}  // namespace

// What an operator names is meant for all, and so is what nothing can be compared with.
void ModelLoader::Impl::RollOut(const std::shared_ptr<const Snapshot>& snapshot,
                                const std::string& who) {
  const bool for_all = options_.rollout.mode != RolloutMode::kCanary || who != kServer ||
                       state_.weights.serving_version == 0;
  if (for_all) {
    Publish(snapshot, who);
  } else {
    StartCanary(snapshot);
  }
}

void ModelLoader::Impl::StartCanary(const std::shared_ptr<const Snapshot>& snapshot) {
  const uint64_t version = snapshot->version();
  const uint64_t catalogue = snapshot->catalogue_version();
  StopCanary("superseded", absl::StrCat("version ", version, " takes its place"), kServer);
  const double percent = options_.rollout.canary_percent;
  slot_.StartCanary(snapshot, CanaryShare::Of(version, percent));
  canary_ends_ = Clock::now() + options_.rollout.canary_time;
  canary_since_unix_us_ = UnixMicros();
  CacheState& weights = state_.weights;
  weights.canary_version = version;
  state_.catalogue.canary_version = catalogue == state_.catalogue.serving_version ? 0 : catalogue;
  if (weights.set_aside_version == version) weights.set_aside_version = 0;
  weights.rejections.erase(version);
  EndHold(version);
  const std::chrono::duration<double> time = options_.rollout.canary_time;
  StartWatch();
  Emit(Kind::kCanaryStarted, version, "",
       absl::StrCat("it answers ", percent, " % of the requests for ", time.count(),
                    " s, then all; version ", weights.serving_version, " answers the others"));
  Changed();
}

void ModelLoader::Impl::PublishDueCanary() {
  if (HasCanary() && Clock::now() >= canary_ends_) PublishCanary(kServer);
}

void ModelLoader::Impl::PublishCanary(const std::string& who) {
  Publish(slot_.Canary(), who);
  RemoveOldVersions();
  next_poll_ = Clock::now();  // for the catalogue that waited
}

// It is in the slot no more; its file is still in the cache.
void ModelLoader::Impl::ForgetCanary() {
  state_.weights.canary_version = state_.catalogue.canary_version = 0;
  canary_ends_ = {};
  canary_since_unix_us_ = 0;
  if (watch_ && watch_->of_canary) watch_.reset();
  Changed();
}

void ModelLoader::Impl::StopCanary(std::string_view reason, std::string detail,
                                   const std::string& who) {
  if (!HasCanary()) return;
  const uint64_t version = state_.weights.canary_version;
  slot_.EndCanary();
  cleaner_.SnapshotWasRetired();
  ForgetCanary();
  Emit(Kind::kCanaryEnded, version, reason, std::move(detail), Artifact::kWeights, who);
}

// Called before `snapshot` serves all.
void ModelLoader::Impl::SettleCanary(const Snapshot& snapshot, const std::string& who) {
  if (snapshot.version() == state_.weights.canary_version) {
    ForgetCanary();
  } else if (snapshot.version() != state_.weights.serving_version) {
    StopCanary("superseded", absl::StrCat("version ", snapshot.version(), " serves all"), who);
  }
}

bool ModelLoader::Impl::EndCanary(uint64_t version, std::string_view gate, std::string detail,
                                  const std::string& who) {
  if (version == 0 || state_.weights.canary_version != version) return false;
  slot_.EndCanary();
  cleaner_.SnapshotWasRetired();
  ForgetCanary();
  const Manifest manifest = state_.weights.cached[version];
  RecordRejection({.version = version,
                   .sha256 = manifest.sha256,
                   .gate = std::string(gate),
                   .detail = std::move(detail),
                   .size_bytes = manifest.size_bytes,
                   .published_unix_us = manifest.published_unix_us},
                  who);
  if (version != state_.weights.previous_version) Forget(Artifact::kWeights, version);
  return true;
}

void ModelLoader::Impl::ApproveCanary(Lock& lock, const std::string& who) {
  const uint64_t version = state_.weights.canary_version;
  CountGate(kOperatorGate, "approved");
  Emit(Kind::kApproved, version, kOperatorGate, "it was the canary", Artifact::kWeights, who);
  PublishCanary(who);
  AwaitSaved(lock, kCanarySavePatience);
}

void ModelLoader::Impl::RollBackCanary(const std::string& who) {
  const uint64_t version = state_.weights.canary_version;
  StopCanary("rollback",
             absl::StrCat("it is set aside; version ", state_.weights.serving_version,
                          " answers all requests"),
             who);
  state_.weights.set_aside_version = version;
}

}  // namespace fmserve::loader
