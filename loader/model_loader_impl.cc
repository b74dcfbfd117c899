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

}  // namespace

ModelLoader::Impl::Impl(LoaderOptions options, std::unique_ptr<Source> source,
                        EventListener listener)
    : options_(std::move(options)),
      source_(std::move(source)),
      listener_(std::move(listener)),
      backoff_(std::min(options_.poll_interval, kMaxInitialBackoff),
               options_.poll_interval * kBackoffCapIntervals, std::random_device{}()) {}

absl::Status ModelLoader::Impl::Start() {
  if (absl::Status status = CheckModelName(options_.model); !status.ok()) return status;
  absl::StatusOr<Cache> cache = Cache::Open(options_.cache_dir);
  if (!cache.ok()) return cache.status();
  absl::StatusOr<CacheState> state = cache->LoadState(options_.model);
  if (!state.ok()) return state.status();
  if (absl::Status status = cache->SaveState(*state); !status.ok()) return status;
  {
    const Lock lock(mutex_);
    cache_.emplace(*std::move(cache));
    state_ = *std::move(state);
    ServeFromCache();
    next_poll_ = next_save_ = Clock::now();
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
  if (worker_ != nullptr) worker_->Cancel();
  if (thread_.joinable()) thread_.join();
}

void ModelLoader::Impl::ServeFromCache() {
  const std::vector<uint64_t> order = RestartOrder(state_);
  const uint64_t previous = state_.previous_version;
  state_.serving_version = 0;
  for (const uint64_t version : order) {
    absl::StatusOr<std::shared_ptr<const Snapshot>> snapshot =
        OpenCached(options_, *cache_, version, model::NeverStop);
    if (snapshot.ok()) {
      slot_.Publish(*std::move(snapshot));
      state_.serving_version = version;
      serving_since_unix_us_ = UnixMicros();
      Emit(LoaderEvent::Kind::kPublished, version, "", "from the cache, after a start");
      break;
    }
    Emit(LoaderEvent::Kind::kFailed, version, "cache", std::string(snapshot.status().message()));
    state_.cached.erase(version);
    removals_.push_back(version);
  }
  restore_previous_ = previous != state_.serving_version && state_.cached.contains(previous);
  if (!restore_previous_) state_.previous_version = 0;
  Changed();
}

void ModelLoader::Impl::Run() {
  Lock lock(mutex_);
  while (!stopping_) {
    if (std::optional<LowPriorityWorker::Finish> finish = worker_->TakeFinish()) (*finish)();
    if (DoChores(lock)) continue;
    if (!worker_->busy()) StartNextWork();
    wake_.wait_until(lock, NextWakeUp());
  }
  DoChores(lock);
  settled_.notify_all();
}

void ModelLoader::Impl::StartNextWork() {
  if (pin_request_) {
    StartPreparing(pin_request_->version, /*operator_asked=*/true);
  } else if (!reloads_asked_.empty() || Clock::now() >= next_poll_) {
    StartPoll();
  } else if (restore_previous_) {
    StartRestoringPrevious();
  }
}

ModelLoader::Clock::time_point ModelLoader::Impl::NextWakeUp() const {
  Clock::time_point next = worker_->busy() ? Clock::now() + std::chrono::hours(1) : next_poll_;
  if (changes_count_ != saved_changes_count_) next = std::min(next, next_save_);
  return next;
}

void ModelLoader::Impl::StartPoll() {
  reloads_underway_ = std::exchange(reloads_asked_, {});
  next_poll_ = Clock::now() + Spread(options_.poll_interval);
  PollJob job{.pinned_version = state_.pinned_version};
  if (newest_) job.known_sha256 = newest_->sha256;
  for (const auto& [version, rejection] : state_.rejections)
    job.rejected_versions.push_back(version);
  worker_->Start([this, job = std::move(job)](const std::stop_token&) {
    PollResult result = Poll(job);
    return [this, result = std::move(result)] { OnPolled(result); };
  });
}

ModelLoader::Impl::PollResult ModelLoader::Impl::Poll(const PollJob& job) {
  PollResult result;
  result.manifest = source_->Poll();
  if (!result.manifest.ok()) return result;
  const Manifest& manifest = *result.manifest;
  if (manifest.model != options_.model) {
    result.manifest = absl::InvalidArgumentError(
        absl::StrCat(source_->Describe(), ": the manifest is of model '", manifest.model,
                     "', not of '", options_.model, "'"));
    return result;
  }
  const uint64_t version = job.pinned_version != 0 ? job.pinned_version : manifest.version;
  if (std::ranges::find(job.rejected_versions, version) != job.rejected_versions.end()) {
    result.fingerprint = source_->Fingerprint(version).value_or("");
  }
  if (manifest.sha256 == job.known_sha256) return result;  // the store holds what it held
  absl::StatusOr<std::vector<uint64_t>> versions = source_->ListVersions(kMaxListedVersions);
  if (versions.ok()) result.versions = *std::move(versions);
  return result;
}

void ModelLoader::Impl::OnPolled(const PollResult& result) {
  if (!result.manifest.ok()) {
    RecordFailure("poll", 0, result.manifest.status());
    FinishReloads(result.manifest.status());
    return;
  }
  newest_ = *result.manifest;
  if (result.versions) available_versions_ = *result.versions;
  const RolloutDecision decision =
      DecideRollout(options_.gates, {.state = &state_,
                                     .newest = &*newest_,
                                     .fingerprint = result.fingerprint,
                                     .reload = !reloads_underway_.empty()});
  switch (decision.action) {
    case RolloutDecision::Action::kKeep:
      RecordSuccess();
      if (!decision.gate.empty()) last_error_ = decision.why;
      FinishReloads(absl::OkStatus());
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
      if (!pin_request_)
        StartPreparing(decision.version, /*operator_asked=*/state_.pinned_version != 0);
      break;
  }
}

void ModelLoader::Impl::StartPreparing(uint64_t version, bool operator_asked) {
  PrepareJob job{.manifest = {.model = options_.model, .version = version},
                 .operator_asked = operator_asked,
                 .serving = slot_.Get()};
  if (newest_ && newest_->version == version) job.manifest = *newest_;
  const auto cached = state_.cached.find(version);
  job.cached = cached != state_.cached.end() &&
               (job.manifest.sha256.empty() || job.manifest.sha256 == cached->second.sha256);
  if (job.cached) job.manifest = cached->second;
  loading_version_ = version;
  worker_->Start([this, job = std::move(job)](const std::stop_token& stop) {
    Pacer pacer(stop);
    Prepared prepared = Preparer(options_, *source_, *cache_)
                            .Run(
                                job, [&pacer] { return pacer.Step(); },
                                [this](LoadState state) { progress_ = state; });
    return [this, version = job.manifest.version, prepared = std::move(prepared)] {
      OnPrepared(version, prepared);
    };
  });
}

void ModelLoader::Impl::OnPrepared(uint64_t version, const Prepared& prepared) {
  progress_ = LoadState::kIdle;
  loading_version_ = 0;
  const bool pin_asked = pin_request_ && pin_request_->version == version;
  absl::Status outcome;
  switch (prepared.outcome) {
    case Prepared::Outcome::kReady:
      RecordSuccess();
      state_.cached[version] = prepared.manifest;
      if (IsWanted(version)) Publish(prepared.snapshot, prepared.manifest);
      if (pin_asked) SetPinned(version);
      RemoveOldVersions();
      break;
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
      if (!pin_asked) RecordFailure("fetch", version, outcome);
      break;
  }
  FinishPin(version, outcome);
  FinishReloads(outcome);
}

void ModelLoader::Impl::StartRestoringPrevious() {
  restore_previous_ = false;
  const uint64_t version = state_.previous_version;
  worker_->Start([this, version](const std::stop_token& stop) {
    Pacer pacer(stop);
    auto snapshot = OpenCached(options_, *cache_, version, [&pacer] { return pacer.Step(); });
    return [this, version, snapshot = std::move(snapshot)] {
      if (state_.previous_version != version || slot_.Previous() != nullptr) return;
      if (snapshot.ok() && slot_.RestorePrevious(*snapshot)) return;
      if (absl::IsCancelled(snapshot.status())) {  // a pin that came in between is first
        restore_previous_ = true;
        return;
      }
      state_.previous_version = 0;
      Changed();
    };
  });
}

}  // namespace fmserve::loader
