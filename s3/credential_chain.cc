#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "s3/credential_providers.h"
#include "s3/credentials.h"
#include "s3/errors.h"

namespace fmserve::s3 {

class CredentialChain::Impl {
 public:
  Impl(std::vector<std::unique_ptr<CredentialProvider>> providers, const Environment& environment)
      : providers_(std::move(providers)), environment_(environment) {}

  absl::StatusOr<Credentials> Get();
  absl::StatusOr<Credentials> Replace(const Credentials& used);
  void Cancel();
  std::string Describe() const;

 private:
  using Lock = std::unique_lock<std::mutex>;

  // By this machine's clock.
  bool Hold() const { return current_ && environment_.now() < current_->expires; }
  bool WantRefresh() const;
  // Loads, or waits for the thread that does; the outcome of either.
  absl::StatusOr<Credentials> Refresh(Lock& lock);
  absl::StatusOr<std::pair<Credentials, std::string>> Load();

  const std::vector<std::unique_ptr<CredentialProvider>> providers_;  // used by who refreshes
  const Environment environment_;
  mutable std::mutex mutex_;
  std::condition_variable refreshed_;
  // All below are guarded by mutex_.
  bool cancelled_ = false;
  bool refreshing_ = false;
  uint64_t refreshes_ = 0;
  absl::Status last_refresh_;
  absl::Time next_refresh_ = absl::InfinitePast();
  std::optional<Credentials> current_;
  std::string current_provider_;
};

bool CredentialChain::Impl::WantRefresh() const {
  if (!current_) return true;
  const absl::Time now = environment_.now();
  if (now < current_->expires - kRefreshBeforeExpiry) return false;
  // New ones that seem expired already mean that this machine's clock is wrong: let S3 judge them.
  return now >= next_refresh_ || (!Hold() && !last_refresh_.ok());
}

absl::StatusOr<std::pair<Credentials, std::string>> CredentialChain::Impl::Load() {
  std::string places;
  for (const std::unique_ptr<CredentialProvider>& provider : providers_) {
    const std::string where = provider->Describe();
    absl::StatusOr<Credentials> credentials = provider->Load();
    if (absl::IsCancelled(credentials.status())) return credentials.status();
    if (absl::IsNotFound(credentials.status())) {
      absl::StrAppend(&places, "; ", where, ": ", credentials.status().message());
      continue;
    }
    if (!credentials.ok()) {
      return Prefixed(credentials.status(), absl::StrCat("credentials: ", where));
    }
    if (absl::Status status = CheckCredentials(*credentials, where); !status.ok()) return status;
    return std::make_pair(*std::move(credentials), where);
  }
  return absl::UnauthenticatedError(absl::StrCat("no credentials found", places));
}

absl::StatusOr<Credentials> CredentialChain::Impl::Refresh(Lock& lock) {
  if (refreshing_) {
    const uint64_t before = refreshes_;
    refreshed_.wait(lock, [&] { return refreshes_ != before; });
  } else {
    refreshing_ = true;
    lock.unlock();
    auto loaded = Load();
    lock.lock();
    refreshing_ = false;
    ++refreshes_;
    last_refresh_ = loaded.status();
    next_refresh_ = environment_.now() + kRetryRefreshAfter;
    if (loaded.ok()) std::tie(current_, current_provider_) = *std::move(loaded);
    refreshed_.notify_all();
  }
  if (cancelled_) return absl::CancelledError("the call was cancelled");
  if (!last_refresh_.ok()) return last_refresh_;
  return *current_;
}

absl::StatusOr<Credentials> CredentialChain::Impl::Get() {
  Lock lock(mutex_);
  if (cancelled_) return absl::CancelledError("the call was cancelled");
  // While another thread refreshes what still holds, go on with it.
  if (!WantRefresh() || (refreshing_ && Hold())) return *current_;
  absl::StatusOr<Credentials> fresh = Refresh(lock);
  if (fresh.ok() || absl::IsCancelled(fresh.status()) || !Hold()) return fresh;
  return *current_;
}

absl::StatusOr<Credentials> CredentialChain::Impl::Replace(const Credentials& used) {
  Lock lock(mutex_);
  if (cancelled_) return absl::CancelledError("the call was cancelled");
  if (current_ && *current_ != used) return *current_;
  absl::StatusOr<Credentials> fresh = Refresh(lock);
  if (fresh.ok() && *fresh == used) {
    return absl::PermissionDeniedError("there are no other credentials than those refused");
  }
  return fresh;
}

void CredentialChain::Impl::Cancel() {
  for (const auto& provider : providers_) provider->Cancel();
  const Lock lock(mutex_);
  cancelled_ = true;
}

std::string CredentialChain::Impl::Describe() const {
  const Lock lock(mutex_);
  if (!current_) return "credentials not found yet";
  return absl::StrCat("credentials from the ", current_provider_);
}

CredentialChain::CredentialChain(std::vector<std::unique_ptr<CredentialProvider>> providers,
                                 const Environment& environment)
    : impl_(std::make_unique<Impl>(std::move(providers), environment)) {}

CredentialChain::~CredentialChain() = default;

absl::StatusOr<Credentials> CredentialChain::Get() { return impl_->Get(); }

absl::StatusOr<Credentials> CredentialChain::Replace(const Credentials& used) {
  return impl_->Replace(used);
}

void CredentialChain::Cancel() { impl_->Cancel(); }

std::string CredentialChain::Describe() const { return impl_->Describe(); }

std::unique_ptr<CredentialChain> DefaultCredentialChain(const CredentialOptions& options,
                                                        const Environment& environment) {
  std::vector<std::unique_ptr<CredentialProvider>> providers;
  if (!options.profile.empty()) {  // asked for: the environment does not count
    providers.push_back(ProfileCredentials(options, environment));
  } else {
    providers.push_back(EnvironmentCredentials(environment));
    providers.push_back(ProfileCredentials(options, environment));
    providers.push_back(WebIdentityCredentials(options, environment));
  }
  providers.push_back(ContainerCredentials(options, environment));
  providers.push_back(InstanceCredentials(environment));
  return std::make_unique<CredentialChain>(std::move(providers), environment);
}

}  // namespace fmserve::s3
