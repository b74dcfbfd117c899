// The part of the state machine that keeps a catalogue beside the weights.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/model_loader_impl.h"

namespace fmserve::loader {
namespace {

using Kind = LoaderEvent::Kind;

}  // namespace

// A model without a catalogue, in a store where each question costs.
bool ModelLoader::Impl::SkipsCatalogue() {
  if (catalogue_absent_polls_count_ == 0 || !reloads_underway_.empty()) return false;
  if (catalogue_absent_polls_count_ >= options_.polls_per_absent_catalogue) {
    catalogue_absent_polls_count_ = 0;
    return false;
  }
  return true;
}

void ModelLoader::Impl::OnCataloguePolled(const PollResult& result, bool reload) {
  wanted_catalogue_version_ = 0;
  if (!result.manifest.ok()) {
    if (absl::IsNotFound(result.manifest.status())) {
      catalogue_error_.clear();
      ++catalogue_absent_polls_count_;
    } else {
      RecordCatalogueFailure("poll", 0, result.manifest.status());
    }
    return;
  }
  newest_catalogue_ = *result.manifest;
  NotePublished(Artifact::kCatalogue, *newest_catalogue_);
  catalogue_absent_polls_count_ = 0;
  if (result.versions) available_catalogue_versions_ = *result.versions;
  const std::string partner = PartnerOf(Artifact::kCatalogue);
  const RolloutDecision decision = DecideRollout(options_.gates, {.state = &state_.catalogue,
                                                                  .newest = &*newest_catalogue_,
                                                                  .fingerprint = result.fingerprint,
                                                                  .partner = partner,
                                                                  .reload = reload,
                                                                  .now_unix_us = UnixMicros()});
  switch (decision.action) {
    case RolloutDecision::Action::kKeep:
      catalogue_error_ = decision.gate.empty() ? std::string() : decision.why;
      break;
    case RolloutDecision::Action::kReject:
      RecordCatalogueRejection({.version = decision.version,
                                .sha256 = newest_catalogue_->sha256,
                                .gate = std::string(decision.gate),
                                .detail = decision.why,
                                .size_bytes = newest_catalogue_->size_bytes,
                                .published_unix_us = newest_catalogue_->published_unix_us});
      break;
    case RolloutDecision::Action::kLoad:
      wanted_catalogue_version_ = decision.version;
      if (HasCanary()) {
        catalogue_error_ =
            absl::StrCat("version ", decision.version, " waits until the canary of version ",
                         state_.weights.canary_version, " has ended");
      }
      break;
  }
}

// Without weights there is nothing to fold it with; the next poll asks again. With a canary there
// are two to fold it with, and it waits.
bool ModelLoader::Impl::TakesCatalogueNext() {
  if (HasCanary()) return false;
  if (state_.weights.serving_version == 0 ||
      wanted_catalogue_version_ == state_.catalogue.serving_version) {
    wanted_catalogue_version_ = 0;
  }
  return wanted_catalogue_version_ != 0;
}

void ModelLoader::Impl::StartPreparingCatalogue() {
  loading_catalogue_version_ = std::exchange(wanted_catalogue_version_, 0);
  StartWorkOn(MakeJob(Artifact::kCatalogue, loading_catalogue_version_),
              &Impl::OnCataloguePrepared);
}

void ModelLoader::Impl::OnCataloguePrepared(uint64_t version, const Prepared& prepared) {
  loading_catalogue_version_ = 0;
  NotePrepared(Artifact::kCatalogue, version, prepared);
  absl::Status outcome;
  switch (prepared.outcome) {
    case Prepared::Outcome::kReady:
      catalogue_error_.clear();
      KeepInCache(Artifact::kCatalogue, prepared);
      Publish(prepared.snapshot, kServer);
      RemoveOldVersions();
      break;
    case Prepared::Outcome::kHeld:  // weights alone are
    case Prepared::Outcome::kRejected:
      outcome = absl::FailedPreconditionError(
          absl::StrCat("catalogue version ", version, " was rejected: ", prepared.rejection.gate,
                       ": ", prepared.rejection.detail));
      RecordCatalogueRejection(prepared.rejection);
      break;
    case Prepared::Outcome::kFailed:
      outcome = prepared.failure;
      if (absl::IsCancelled(outcome)) {  // a pin that came in between is next
        next_poll_ = Clock::now();
        outcome = absl::AbortedError("a pin came in between");
      } else {
        RecordCatalogueFailure("fetch", version, outcome);
      }
      break;
  }
  FinishReloads(outcome);
}

// The newest one first: weights and catalogue may have been made for each other. An operator who
// names weights means them, with whatever catalogue fits.
std::vector<CatalogueChoice> ModelLoader::Impl::OtherCatalogues(bool operator_asked,
                                                                bool reload) const {
  const CacheState& state = state_.catalogue;
  std::vector<CatalogueChoice> choices;
  const auto add = [&](uint64_t version) {
    if (version == state.serving_version) return;
    PrepareJob job = MakeJob(Artifact::kCatalogue, version);
    choices.push_back({std::move(job.manifest), job.cached});
  };
  const uint64_t newest = newest_catalogue_ ? newest_catalogue_->version : 0;
  const bool fits_server =
      newest != 0 && newest_catalogue_->size_bytes <= options_.gates.max_file_bytes;
  if (fits_server && (reload || newest != state.set_aside_version)) add(newest);
  if (!operator_asked) return choices;
  std::for_each(state.cached.rbegin(), state.cached.rend(), [&](const auto& cached) {
    if (cached.first != newest) add(cached.first);
  });
  return choices;
}

void ModelLoader::Impl::RecordCatalogueRejection(Rejection rejection) {
  catalogue_error_ =
      absl::StrCat("version ", rejection.version, " was rejected: ", rejection.detail);
  const auto known = state_.catalogue.rejections.find(rejection.version);
  if (known != state_.catalogue.rejections.end() && known->second == rejection) return;
  Emit(Kind::kRejected, rejection.version, rejection.gate, rejection.detail, Artifact::kCatalogue,
       GateOf(rejection.gate));
  AddRejection(std::move(rejection), state_.catalogue);
  Changed();
}

void ModelLoader::Impl::RecordCatalogueFailure(std::string_view step, uint64_t version,
                                               const absl::Status& status) {
  std::string error = absl::StrCat(std::string(step), ": ", status.ToString());
  if (error != catalogue_error_) {
    Emit(Kind::kFailed, version, step, std::string(status.message()), Artifact::kCatalogue);
  }
  catalogue_error_ = std::move(error);
  ++poll_failures_count_;
}

void ModelLoader::Impl::FinishReloadsUnlessCatalogueIsNext(const absl::Status& status) {
  if (!status.ok() || !TakesCatalogueNext()) FinishReloads(status);
}

}  // namespace fmserve::loader
