#include "loader/model_loader_impl.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/pacer.h"

namespace fmserve::loader {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kMaxInitialBackoff{1000};
constexpr int kBackoffCapIntervals =
    6;  // a store that is back is noticed after at most so many polls
constexpr size_t kMaxListedVersions = 1000;

// Between 90 % and 110 % of `interval`, so that servers do not poll in step.
milliseconds Spread(milliseconds interval) {
  thread_local std::mt19937_64 random(std::random_device{}());
  std::uniform_int_distribution<int64_t> spread_ms(interval.count() * 9 / 10,
                                                   interval.count() * 11 / 10);
  return milliseconds(spread_ms(random));
}

// Whether the outcome would be another one with another version of the other artifact.
bool DependsOnPartner(const Prepared& prepared) {
  return prepared.outcome == Prepared::Outcome::kReady || !prepared.rejection.partner.empty();
}

}  // namespace

ModelLoader::Impl::Impl(LoaderOptions options, std::unique_ptr<Source> source,
                        EventListener listener, std::unique_ptr<Source> catalogues)
    : options_(std::move(options)),
      source_(std::move(source)),
      catalogues_(std::move(catalogues)),
      listener_(std::move(listener)),
      backoff_(std::min(options_.poll_interval, kMaxInitialBackoff),
               options_.poll_interval * kBackoffCapIntervals, std::random_device{}()) {}

absl::Status ModelLoader::Impl::Start() {
  if (absl::Status status = CheckModelName(options_.model); !status.ok()) return status;
  absl::StatusOr<Cache> cache = Cache::Open(options_.cache_dir);
  if (!cache.ok()) return cache.status();
  absl::StatusOr<ModelState> state = cache->LoadState(options_.model);
  if (!state.ok()) return state.status();
  if (absl::Status status = cache->SaveState(*state); !status.ok()) return status;
  history_file_.emplace(options_.cache_dir);
  absl::StatusOr<std::vector<HistoryEvent>> history = history_file_->Load();
  {
    const Lock lock(mutex_);
    if (history.ok()) {
      history_ = History(*std::move(history));
    } else {
      Emit(LoaderEvent::Kind::kFailed, 0, "history", std::string(history.status().message()));
    }
    cache_.emplace(*std::move(cache));
    state_ = *std::move(state);
    ServeFromCache();
    next_poll_ = next_save_ = next_history_save_ = Clock::now();
    worker_ = std::make_unique<LowPriorityWorker>([this] {
      const Lock worker_lock(mutex_);
      wake_.notify_one();
    });
  }
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void ModelLoader::Impl::Stop() {
  const std::lock_guard stop_lock(stop_mutex_);
  {
    const Lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  source_->Cancel();
  if (catalogues_ != nullptr) catalogues_->Cancel();
  if (worker_ != nullptr) worker_->Cancel();
  if (thread_.joinable()) thread_.join();
}

void ModelLoader::Impl::Run() {
  Lock lock(mutex_);
  while (!stopping_) {
    if (std::optional<LowPriorityWorker::Finish> finish = worker_->TakeFinish()) (*finish)();
    PublishDueCanary();
    LookAtWatch();
    if (DoChores(lock)) continue;
    if (!worker_->busy()) StartNextWork();
    wake_.wait_until(lock, NextWakeUp());
  }
  NoteStop();
  DoChores(lock);
  settled_.notify_all();
}

void ModelLoader::Impl::StartNextWork() {
  if (pin_request_) {
    StartPreparing(pin_request_->version, /*operator_asked=*/true, /*reload=*/false);
    return;
  }
  if (WantsReplay()) {
    StartReplay();
    return;
  }
  if (TakesCatalogueNext()) {
    StartPreparingCatalogue();
    return;
  }
  FinishReloads(absl::OkStatus());  // of those that waited for a catalogue that serves already
  if (!reloads_asked_.empty() || Clock::now() >= next_poll_) {
    StartPoll();
  } else if (restore_previous_) {
    StartRestoringPrevious();
  }
}

ModelLoader::Clock::time_point ModelLoader::Impl::NextWakeUp() const {
  Clock::time_point next = worker_->busy() ? Clock::now() + std::chrono::hours(1) : next_poll_;
  if (changes_count_ != saved_changes_count_) next = std::min(next, next_save_);
  if (!unsaved_history_.empty()) next = std::min(next, next_history_save_);
  if (HasCanary()) next = std::min(next, canary_ends_);
  if (watch_) next = std::min(next, watch_->next_look);
  return next;
}

ModelLoader::Impl::PollJob ModelLoader::Impl::MakePollJob(const CacheState& state,
                                                          const std::optional<Manifest>& newest) {
  PollJob job{.pinned_version = state.pinned_version};
  if (newest) job.known_sha256 = newest->sha256;
  for (const auto& [version, rejection] : state.rejections)
    job.rejected_versions.push_back(version);
  return job;
}

void ModelLoader::Impl::StartPoll() {
  reloads_underway_ = std::exchange(reloads_asked_, {});
  next_poll_ = Clock::now() + Spread(options_.poll_interval);
  PollJob catalogue_job = MakePollJob(state_.catalogue, newest_catalogue_);
  catalogue_job.only_with_changes = SkipsCatalogue();
  worker_->Start([this, weights_job = MakePollJob(state_.weights, newest_),
                  catalogue_job](const std::stop_token&) {
    PollResult weights = Poll(*source_, weights_job);
    PollResult catalogue{.manifest = absl::NotFoundError("the model has no catalogue")};
    const bool changed =
        weights.manifest.ok() && weights.manifest->sha256 != weights_job.known_sha256;
    if (catalogues_ != nullptr && (changed || !catalogue_job.only_with_changes))
      catalogue = Poll(*catalogues_, catalogue_job);
    return [this, weights = std::move(weights), catalogue = std::move(catalogue)] {
      OnPolled(weights, catalogue);
    };
  });
}

ModelLoader::Impl::PollResult ModelLoader::Impl::Poll(Source& source, const PollJob& job) const {
  PollResult result{.manifest = source.Poll()};
  if (!result.manifest.ok()) return result;
  const Manifest& manifest = *result.manifest;
  if (manifest.model != options_.model) {
    result.manifest = absl::InvalidArgumentError(
        absl::StrCat(source.Describe(), ": the manifest is of model '", manifest.model,
                     "', not of '", options_.model, "'"));
    return result;
  }
  const uint64_t version = job.pinned_version != 0 ? job.pinned_version : manifest.version;
  if (std::ranges::find(job.rejected_versions, version) != job.rejected_versions.end()) {
    result.fingerprint = source.Fingerprint(version).value_or("");
  }
  if (manifest.sha256 == job.known_sha256) return result;  // the store holds what it held
  absl::StatusOr<std::vector<uint64_t>> versions = source.ListVersions(kMaxListedVersions);
  if (versions.ok()) result.versions = *std::move(versions);
  return result;
}

void ModelLoader::Impl::OnPolled(const PollResult& weights, const PollResult& catalogue) {
  if (!weights.manifest.ok()) {
    RecordFailure("poll", 0, weights.manifest.status());
    FinishReloads(weights.manifest.status());
    return;
  }
  newest_ = *weights.manifest;
  NotePublished(Artifact::kWeights, *newest_);
  if (newest_->version == state_.weights.serving_version)
    StopCanary("withdrawn", absl::StrCat("the store names version ", newest_->version, " again"),
               kServer);
  if (weights.versions) available_versions_ = *weights.versions;
  const bool reload = !reloads_underway_.empty();
  OnCataloguePolled(catalogue, reload);
  const std::string partner = PartnerOf(Artifact::kWeights);
  const RolloutDecision decision =
      DecideRollout(options_.gates, {.state = &state_.weights,
                                     .newest = &*newest_,
                                     .fingerprint = weights.fingerprint,
                                     .partner = partner,
                                     .reload = reload,
                                     .now_unix_us = UnixMicros(),
                                     .enough_requests = HasEnoughRequests()});
  switch (decision.action) {
    case RolloutDecision::Action::kKeep:
      RecordSuccess();
      if (!decision.gate.empty()) last_error_ = decision.why;
      FinishReloadsUnlessCatalogueIsNext(absl::OkStatus());
      break;
    case RolloutDecision::Action::kReject:
      RecordSuccess();
      RecordRejection({.version = decision.version,
                       .sha256 = newest_->sha256,
                       .gate = std::string(decision.gate),
                       .detail = decision.why,
                       .size_bytes = newest_->size_bytes,
                       .published_unix_us = newest_->published_unix_us});
      FinishReloads(absl::FailedPreconditionError(decision.why));
      break;
    case RolloutDecision::Action::kLoad:
      if (!pin_request_) {
        StartPreparing(decision.version, /*operator_asked=*/state_.weights.pinned_version != 0,
                       reload);
      }
      break;
  }
}

// New weights are tried with the catalogue that serves and with the newest, a new catalogue with
// the weights that serve.
std::string ModelLoader::Impl::PartnerOf(Artifact artifact) const {
  if (artifact == Artifact::kCatalogue) return absl::StrCat(state_.weights.serving_version);
  return absl::StrCat(state_.catalogue.serving_version, " or ",
                      newest_catalogue_ ? newest_catalogue_->version : 0);
}

PrepareJob ModelLoader::Impl::MakeJob(Artifact artifact, uint64_t version) const {
  const bool weights = artifact == Artifact::kWeights;
  const CacheState& state = weights ? state_.weights : state_.catalogue;
  const std::optional<Manifest>& newest = weights ? newest_ : newest_catalogue_;
  PrepareJob job{.artifact = artifact,
                 .manifest = {.model = options_.model, .version = version},
                 .serving = slot_.Get(),
                 .partner = PartnerOf(artifact)};
  if (job.serving != nullptr) {
    const auto serving = state_.weights.cached.find(job.serving->version());
    if (serving != state_.weights.cached.end()) job.serving_sha256 = serving->second.sha256;
  }
  if (newest && newest->version == version) job.manifest = *newest;
  const auto cached = state.cached.find(version);
  job.cached = cached != state.cached.end() &&
               (job.manifest.sha256.empty() || job.manifest.sha256 == cached->second.sha256);
  if (job.cached) job.manifest = cached->second;
  return job;
}

void ModelLoader::Impl::StartPreparing(uint64_t version, bool operator_asked, bool reload) {
  PrepareJob job = MakeJob(Artifact::kWeights, version);
  job.operator_asked = operator_asked;
  job.other_catalogues = OtherCatalogues(operator_asked, reload);
  loading_version_ = version;
  StartWorkOn(std::move(job), &Impl::OnPrepared);
}

// What a lever exchanges meanwhile is not brought back by what is then ready, nor judged by it.
void ModelLoader::Impl::StartWorkOn(PrepareJob job, void (Impl::*done)(uint64_t, const Prepared&)) {
  worker_->Start([this, done, job = std::move(job)](const std::stop_token& stop) {
    Pacer pacer(stop);
    Prepared prepared = Preparer(options_, *source_, catalogues_.get(), *cache_)
                            .Run(
                                job, [&pacer] { return pacer.Step(); },
                                [this](LoadState state) { progress_ = state; });
    VersionPair before;
    if (job.serving != nullptr) before = {job.serving->version(), job.serving->catalogue_version()};
    return [this, done, before, artifact = job.artifact, version = job.manifest.version,
            prepared = std::move(prepared)] {
      progress_ = LoadState::kIdle;
      const bool exchanged = artifact == Artifact::kWeights
                                 ? before.catalogue != state_.catalogue.serving_version
                                 : before.weights != state_.weights.serving_version;
      if (!exchanged || !DependsOnPartner(prepared)) {
        (this->*done)(version, prepared);
        return;
      }
      if (prepared.outcome == Prepared::Outcome::kReady) KeepInCache(artifact, prepared);
      loading_version_ = loading_catalogue_version_ = 0;
      next_poll_ = Clock::now();
      FinishReloads(absl::AbortedError("a rollback or a pin came in between"));
    };
  });
}

void ModelLoader::Impl::OnPrepared(uint64_t version, const Prepared& prepared) {
  loading_version_ = 0;
  const bool asked = pin_request_ && pin_request_->version == version;
  if (prepared.delta) RecordDelta(version, *prepared.delta);
  absl::Status outcome;
  RecordGates(prepared);
  NotePrepared(Artifact::kWeights, version, prepared);
  switch (prepared.outcome) {
    case Prepared::Outcome::kReady:
      RecordSuccess();
      KeepInCache(Artifact::kWeights, prepared);
      if (IsWanted(version)) RollOut(prepared.snapshot, WhoWants(version));
      if (asked && pin_request_->pins) SetPinned(version, pin_request_->who);
      RemoveOldVersions();
      break;
    case Prepared::Outcome::kHeld:
      outcome = OnHeld(prepared);
      if (!asked) break;
      FinishReloadsUnlessCatalogueIsNext(outcome);  // an operator who names it means it: once more
      return;
    case Prepared::Outcome::kRejected:
      RecordSuccess();
      RecordRejection(prepared.rejection);
      outcome = absl::FailedPreconditionError(
          absl::StrCat("version ", version, " was rejected: ", prepared.rejection.gate, ": ",
                       prepared.rejection.detail));
      break;
    case Prepared::Outcome::kFailed:
      outcome = prepared.failure;
      if (absl::IsCancelled(outcome)) {  // a pin that came in between is next
        next_poll_ = Clock::now();
        FinishReloads(absl::AbortedError("a pin came in between"));
        return;
      }
      if (!asked) RecordFailure("fetch", version, outcome);
      break;
  }
  FinishPin(version, outcome);
  FinishReloadsUnlessCatalogueIsNext(outcome);
}

}  // namespace fmserve::loader
